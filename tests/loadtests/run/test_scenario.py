"""Scenario files: the named ones are sound, and what is wrong with another is said in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.records.errors import ScenarioError
from loadtests.run import scenario, targets
from loadtests.run.scenario import Scenario

GOOD = """
name = "mine"
about = "my own"
blocks = 2
[[cells]]
load = { name = "5x1", subscribers = 5, rate_per_s = 1.0 }
"""

MEMORY = """
name = "mine"
about = "my own"
[[cells]]
kind = "memory"
hold_s = 2.0
load = { name = "idle", subscribers = 5, rate_per_s = 0.0 }
"""


def read(folder: Path, text: str) -> Scenario:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return scenario.find(str(path))


@pytest.mark.parametrize("name", scenario.FILES.named())
def test_a_named_scenario_is_sound_and_named_like_its_file(name: str) -> None:
    found = scenario.find(name)
    assert found.name == name
    assert found.about
    assert targets.select(found.transports or targets.names())


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert (found.name, found.blocks, found.cells[0].load.subscribers) == ("mine", 2, 5)
    assert read(tmp_path, MEMORY).cells[0].hold_s == 2.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "mine"', 'name = "a b"', r"name is a b; allowed: \[A-Za-z0-9"),
        ("blocks = 2", "blocks = 0", "blocks is 0; allowed: 1..1000"),
        ("blocks = 2", 'blocks = "2"', "Expected `int`, got `str`"),
        ("blocks = 2", "blcks = 2", "unknown field `blcks`"),
        ("blocks = 2", "users = 0", "users is 0"),
        ("blocks = 2", "warm_up_s = -1.0", "warm_up_s is -1.0; allowed: 0..86400 seconds"),
        ("blocks = 2", "measured_s = nan", "measured_s is nan"),
        ("blocks = 2", "grace_s = inf", "grace_s is inf"),
        ("[[cells]]", "[[cells]]\nkind = 'odd'", "kind is odd; allowed: latency, fan-out, memory"),
        ("[[cells]]", "[[cells]]\nhold_s = 1.0", "hold_s is 1.0; allowed: 0 outside memory cells"),
        ("[[cells]]", "[[cells]]\nblocks = 2000", "blocks is 2000"),
        ("[[cells]]", "[[cells]]\nstamps = true", "stamps is True; allowed: left out: servers stamp in cells of the"),
        ("[[cells]]", "[[cells]]\nwarm_up_s = -2.0", "warm_up_s is -2.0"),
        ("[[cells]]", "[[cells]]\nmeasured_s = 0.0", "measured_s is 0.0"),
        ("subscribers = 5", "subscribers = 0", "subscribers is 0; allowed: 1..100000"),
        ("subscribers = 5", "subscribers = 5, rooms = 6", r"rooms is 6; allowed: 1..5 \(subscribers\)"),
        ("subscribers = 5", "subscribers = 5, publishers = 0", "publishers is 0"),
        ("subscribers = 5", "subscribers = 5, payload_bytes = 63", "payload_bytes is 63; allowed: 64..4096"),
        ("subscribers = 5", "subscribers = 5, payload_bytes = 4097", "payload_bytes is 4097"),
        ("subscribers = 5", "subscribers = 5, arrivals = 'odd'", "allowed: constant, poisson, burst"),
        ("subscribers = 5", "subscribers = 5, poll_wait_s = 56.0", "poll_wait_s is 56.0; allowed: 0..55"),
        ("subscribers = 5", "subscribers = 5, poll_interval_s = 0.0", "poll_interval_s is 0.0"),
        ("rate_per_s = 1.0", "rate_per_s = 0.0", "rate_per_s is 0.0; allowed: above 0"),
        ('name = "5x1"', 'name = ""', "load.name is "),
        ('name = "5x1"', 'name = "5x1-again"', "load.name is 5x1-again; allowed: an end other than -again"),
        ("[[cells]]", "[[cells", "is not TOML"),
        ("subscribers = 5", "subscribers = 5, direction = 'up'", "allowed: downstream, chat, echo"),
        ("subscribers = 5", "subscribers = 5, direction = 'chat', rooms = 2", r"subscribers is 5; .* multiple .*\(2\)"),
        ("subscribers = 5", "subscribers = 5, direction = 'chat', rooms = 0", "subscribers is 5"),
        ("subscribers = 5", "subscribers = 5, direction = 'echo', rooms = 2", "rooms is 2; allowed: left out, or 5"),
        ("subscribers = 5", "subscribers = 5, direction = 'chat', publishers = 2", "publishers is 2; .* is chat"),
        ("[[cells]]", "[[cells]]\ncoalesce_ms = 1001.0", "coalesce_ms is 1001.0; allowed: 0..1000"),
        ("[[cells]]", "[[cells]]\nloop = 'trio'", "loop is trio; allowed: asyncio, uvloop"),
        ("[[cells]]", "[[cells]]\nagainst = '5x1'", "against is 5x1; allowed: left out in cells of the kind latency"),
        ("[[cells]]", "[[cells]]\nkind = 'ablation'", "against is left out; allowed: one of"),
        ("blocks = 2", "slo = { p99_ms = 0 }", "slo.p99_ms is 0; allowed: above 0"),
        ("blocks = 2", "slo = { p99_ms = 9, reach_percent = 101 }", "slo.reach_percent is 101; .* at most 100"),
        ("blocks = 2", "slo = { p95_ms = 9 }", "unknown field `p95_ms`"),
        ("[[cells]]", "[[cells]]\nsweep = { arrivals = [1] }", "sweep has the field arrivals; allowed: subscribers"),
        ("[[cells]]", "[[cells]]\nsweep = { rooms = [] }", "sweep.rooms is empty"),
        ("[[cells]]", "[[cells]]\nsweep = { rooms = [1.5] }", "sweep.rooms holds 1.5; allowed: whole numbers"),
        ("[[cells]]", "[[cells]]\nsweep = { rooms = [1, 6] }", r"rooms is 6; allowed: 1..5"),
        ("[[cells]]", "[[cells]]\nsweep = { rooms = [1, 1] }", "load.name is 5x1-rooms1; allowed: a name of its own"),
    ],
)
def test_what_is_wrong_is_named_with_value_and_limit(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        read(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hold_s = 2.0", "", "hold_s is 0.0; allowed: 0.5..86400 seconds"),
        ("rate_per_s = 0.0", "rate_per_s = 1.0", "rate_per_s is 1.0; allowed: 0 in a memory cell"),
    ],
)
def test_memory_cells_have_rules_of_their_own(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        read(tmp_path, MEMORY.replace(old, new))


CUT = "[[cells]]\ndisrupt = { up_s = 15, spread_s = 3, offline_s = 2 }"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("up_s = 15", "up_s = 0", r"disrupt.up_s is 0; allowed: 0.05..3600 seconds"),
        ("offline_s = 2", "offline_s = nan", r"disrupt.offline_s is nan; allowed: 0.05..3600 seconds"),
        ("spread_s = 3", "spread_s = 15", r"disrupt.spread_s is 15; allowed: 0 or more, below up_s \(15\)"),
        ("spread_s = 3", "jitter = 3", "unknown field `jitter`"),
        (
            "[[cells]]",
            "[[cells]]\nkind = 'fan-out'",
            "disrupt is given; allowed: left out in a cell of the kind fan-out",
        ),
        ("rate_per_s = 1.0", "rate_per_s = 1.0, direction = 'chat'", "direction is chat; .* whoever publishes is not"),
        (
            "disrupt = { up_s = 15, spread_s = 3, offline_s = 2 }",
            "resume = false",
            "resume is false; .* without disrupt",
        ),
        ("disrupt = { up_s = 15, spread_s = 3, offline_s = 2 }", "kind = 'cut'", "disrupt is left out; .* kind cut"),
    ],
)
def test_cuts_have_rules_of_their_own(tmp_path: Path, old: str, new: str, said: str) -> None:
    good = GOOD.replace("[[cells]]", CUT)
    assert read(tmp_path, good).cells[0].kind == "cut"
    with pytest.raises(ScenarioError, match=said):
        read(tmp_path, good.replace(old, new))


def test_a_file_can_not_ask_for_scaled_cells(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="kind is scaled"):
        read(tmp_path, GOOD.replace("[[cells]]", "[[cells]]\nkind = 'scaled'"))


def test_scaling_out_adds_the_busiest_latency_load_as_often_as_the_stack() -> None:
    ordinary = scenario.find("compare")
    scaled = scenario.scaled_out(ordinary)
    assert scaled.cells[:-1] == ordinary.cells
    added = scaled.cells[-1]
    assert (added.kind, added.load.name, added.blocks) == ("scaled", "200x10-redis", 1)
    assert (added.load.subscribers, added.load.rate_per_s) == (200, 10.0)


def test_scaling_out_a_budget_stamps_the_scaled_cell_too() -> None:
    assert scenario.scaled_out(scenario.find("budget")).cells[-1].stamps
    assert not scenario.scaled_out(scenario.find("compare")).cells[-1].stamps


def test_without_a_stack_the_scaled_cell_is_repeated_like_the_one_it_is_made_from(tmp_path: Path) -> None:
    more = '[[cells]]\nblocks = 7\nload = { name = "3x9", subscribers = 3, rate_per_s = 9.0 }\n'
    added = scenario.scaled_out(read(tmp_path, GOOD + more)).cells[-1]
    assert (added.load.name, added.blocks) == ("3x9-redis", 7)


def test_one_load_may_be_measured_more_often_for_some_transports_than_for_others(tmp_path: Path) -> None:
    twice = GOOD.replace("[[cells]]", '[[cells]]\ntransports = ["sse"]', 1)
    again = twice[twice.index("[[cells]]") :].replace('["sse"]', '["websocket"]')
    made = read(tmp_path, twice + again).cells
    assert {cell.transports for cell in made if cell.load.name == made[0].load.name} == {("sse",), ("websocket",)}
    with pytest.raises(ScenarioError, match="a name of its own"):
        read(tmp_path, twice + again.replace('["websocket"]', '["sse", "websocket"]'))
    with pytest.raises(ScenarioError, match="a name of its own"):
        read(tmp_path, twice + again.replace("subscribers = 5", "subscribers = 6"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MEMORY, "mine has no cell of the kind latency"),
        (GOOD.replace('"5x1"', '"' + "n" * 60 + '"'), "load.name is n{60}-redis; allowed"),
        (
            GOOD + '[[cells]]\nkind = "fan-out"\nload = { name = "5x1-redis", subscribers = 1, rate_per_s = 1.0 }\n',
            "load.name is 5x1-redis; allowed: a name of its own",
        ),
    ],
)
def test_what_can_not_be_scaled_out_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        scenario.scaled_out(read(tmp_path, text))


def test_two_loads_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = GOOD + '[[cells]]\nload = { name = "5x1", subscribers = 6, rate_per_s = 1.0 }\n'
    with pytest.raises(ScenarioError, match=r"load\.name is 5x1"):
        read(tmp_path, twice)


def test_a_scenario_without_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="at least one"):
        read(tmp_path, 'name = "mine"\nabout = ""\ncells = []\n')


@pytest.mark.parametrize(
    ("name", "said"),
    [("nonsense", "give the path of a TOML file or one of ablation, "), ("no/where.toml", "can't read")],
)
def test_a_scenario_that_is_not_there_is_said_to_be_missing(name: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        scenario.find(name)


def test_who_talks_follows_from_the_direction(tmp_path: Path) -> None:
    def load(fields: str) -> tuple[int, int, int]:
        found = read(tmp_path, GOOD.replace("subscribers = 5", f"subscribers = 6, {fields}")).cells[0].load
        return found.rooms, found.publishers, found.users

    assert load("rooms = 2, publishers = 2") == (2, 2, 10)
    assert load("rooms = 2, direction = 'chat'") == (2, 3, 6)
    assert load("direction = 'echo'") == (6, 1, 6)


def test_a_sweep_is_a_cell_for_each_combination(tmp_path: Path) -> None:
    sweep = "[[cells]]\nkind = 'fan-out'\nsweep = { subscribers = [2, 4], rate_per_s = [1, 2.5] }"
    cells = read(tmp_path, GOOD.replace("[[cells]]", sweep)).cells
    assert [(cell.kind, cell.load.subscribers, cell.load.rate_per_s, cell.sweep) for cell in cells] == [
        ("fan-out", 2, 1.0, {}),
        ("fan-out", 2, 2.5, {}),
        ("fan-out", 4, 1.0, {}),
        ("fan-out", 4, 2.5, {}),
    ]
    assert cells[1].load.name == "5x1-subscribers2-rate_per_s2.5"


def test_an_ablation_changes_nothing_of_the_load_but_its_name(tmp_path: Path) -> None:
    other = GOOD[GOOD.index("[[cells]]") :].replace("[[cells]]", "[[cells]]\nkind = 'ablation'\nagainst = '5x1'")
    text = GOOD + other.replace('"5x1"', '"5x1-b"')
    assert read(tmp_path, text).cells[1].against == "5x1"
    with pytest.raises(ScenarioError, match="the load 5x1-b is another load; allowed: that of 5x1, but for the name"):
        read(tmp_path, text.replace('"5x1-b", subscribers = 5', '"5x1-b", subscribers = 6'))


def test_where_every_cell_is_over_tls_none_only_adds_it(tmp_path: Path) -> None:
    added = GOOD[GOOD.index("[[cells]]") :].replace("[[cells]]", "[[cells]]\ntls = true").replace('"5x1"', '"5x1-tls"')
    both = read(tmp_path, GOOD + added)
    assert [cell.load.name for cell in scenario.over_tls(both).cells] == ["5x1"]
    alone = read(tmp_path, GOOD.replace("[[cells]]", "[[cells]]\ntls = true"))
    assert scenario.over_tls(alone) == alone
