"""The plan: every block whole, the order drawn from the seed, the same arrivals for every transport."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.records.cell_spec import Load
from loadtests.records.errors import UsageError
from loadtests.run import plan, scenario, targets
from loadtests.run.scenario import CellPlan, Scenario
from loadtests.run.servers import ServerSettings
from loadtests.run.targets import TARGETS, Target

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Scenarios of up to four loads, some with a number of blocks of their own."""
    cells = tuple(
        CellPlan(
            load=Load(name=f"load-{index}", subscribers=1, rate_per_s=1.0),
            blocks=draw(st.none() | st.integers(1, 4)),
            measured_s=draw(st.none() | st.floats(0.1, 9.0)),
        )
        for index in range(draw(st.integers(1, 4)))
    )
    return Scenario(name="s", about="", cells=cells, blocks=draw(st.integers(1, 4)))


CHOSEN = st.lists(st.sampled_from(TARGETS), min_size=1, unique=True)


@given(scenarios(), CHOSEN, SEEDS)
def test_every_block_holds_each_of_its_cells_once(scenario: Scenario, chosen: list[Target], seed: int) -> None:
    planned = plan.draw(scenario, chosen, seed)
    expected = Counter(
        (block, target.name, cell.load.name)
        for cell in scenario.cells
        for target in chosen
        for block in range(scenario.blocks if cell.blocks is None else cell.blocks)
    )
    assert Counter((cell.block, cell.target.name, cell.load.name) for cell in planned) == expected


@given(scenarios(), CHOSEN, SEEDS)
def test_blocks_follow_each_other_and_orders_count_from_zero(
    scenario: Scenario, chosen: list[Target], seed: int
) -> None:
    planned = plan.draw(scenario, chosen, seed)
    assert [cell.block for cell in planned] == sorted(cell.block for cell in planned)
    assert [cell.order for cell in planned] == list(range(len(planned)))
    assert len({cell.id for cell in planned}) == len(planned)


@given(scenarios(), CHOSEN, SEEDS)
def test_the_same_seed_draws_the_same_plan(scenario: Scenario, chosen: list[Target], seed: int) -> None:
    assert plan.draw(scenario, chosen, seed) == plan.draw(scenario, chosen, seed)


@given(scenarios(), SEEDS)
def test_transports_of_a_block_receive_the_same_arrivals(scenario: Scenario, seed: int) -> None:
    seeds: dict[tuple[int, str], set[int]] = {}
    for cell in plan.draw(scenario, TARGETS, seed):
        seeds.setdefault((cell.block, cell.load.name), set()).add(cell.seed)
    assert all(len(of_block) == 1 for of_block in seeds.values())


def test_order_differs_with_the_seed_and_from_block_to_block() -> None:
    scenario = Scenario(
        name="s",
        about="",
        blocks=8,
        cells=tuple(CellPlan(load=Load(name=name, subscribers=1, rate_per_s=1.0)) for name in ("a", "b", "c")),
    )

    def orders(seed: int) -> list[tuple[str, ...]]:
        planned = plan.draw(scenario, TARGETS, seed)
        return [
            tuple(f"{cell.target.name}-{cell.load.name}" for cell in planned if cell.block == block)
            for block in range(8)
        ]

    assert orders(1) != orders(2)
    assert len(set(orders(1))) > 1


def test_a_memory_cell_takes_its_hold_only() -> None:
    cells = (
        CellPlan(kind="memory", hold_s=2.0, load=Load(name="idle", subscribers=1, rate_per_s=0.0)),
        CellPlan(load=Load(name="busy", subscribers=1, rate_per_s=1.0)),
    )
    scenario = Scenario(name="s", about="", blocks=1, cells=cells, warm_up_s=1.0, measured_s=3.0, grace_s=0.5)
    planned = plan.draw(scenario, targets.select(["sse"]), 1)
    assert {cell.kind: cell.measuring_s for cell in planned} == {"memory": 2.0, "latency": 4.5}


def test_a_poll_on_a_grid_is_awaited_one_interval_longer() -> None:
    load = Load(name="busy", subscribers=1, rate_per_s=1.0, poll_interval_s=2.0)
    scenario = Scenario(name="s", about="", blocks=1, cells=(CellPlan(load=load),), grace_s=0.5)
    planned = plan.draw(scenario, targets.select(["longpoll", "shortpoll"]), 1)
    assert {cell.target.name: cell.grace_s for cell in planned} == {"longpoll": 0.5, "shortpoll": 2.5}


def test_a_cell_may_be_for_some_transports_only_and_says_what_its_server_gets() -> None:
    load = Load(name="a", subscribers=1, rate_per_s=1.0)
    cell = CellPlan(load=load, transports=("sse",), fanout="portable", coalesce_ms=2.5, deflate=True, tls=True)
    cell = msgspec.structs.replace(cell, loop="asyncio")
    scenario = Scenario(name="test", about="", cells=(cell,), blocks=1)
    (planned,) = plan.draw(scenario, targets.select(["websocket", "sse"]), seed=1)
    assert planned.target.name == "sse"
    assert planned.variant == "fanout=portable,coalesce=2.5ms,deflate,tls,loop=asyncio"
    settings = ServerSettings().of_cell(planned)
    assert (settings.deflate, settings.tls, settings.arguments) == (True, True, ("--loop", "asyncio"))
    assert settings.recorded() | {"RTLAB_FANOUT": "portable", "RTLAB_COALESCE_MS": "2.5"} == settings.recorded()


@pytest.mark.parametrize(("name", "at_most_s"), [("compare", 240.0), ("compare-quick", 60.0)])
def test_a_comparison_holds_the_guides_rows_in_the_time_it_promises(name: str, at_most_s: float) -> None:
    """Beside its measuring a cell took 2.55 s in the reference run, where no server was started ahead."""
    chosen = scenario.find(name)
    cells = plan.draw(chosen, targets.select(chosen.transports), seed=1)
    assert sum(cell.measuring_s + 2.55 for cell in cells) <= at_most_s - 10.0  # for the calibration, and starting up
    tabled = {(cell.target.name, cell.load.name) for cell in cells if cell.kind == "latency"}
    six = {"websocket", "sse", "longpoll", "shortpoll", "h2push", "socketio"}
    assert {transport for transport, load in tabled if load == "50x10"} == six


def test_two_cells_of_one_id_are_refused_before_anything_runs() -> None:
    cells = tuple(CellPlan(load=Load(name=name, subscribers=1, rate_per_s=1.0)) for name in ("h2-a", "a"))
    chosen = targets.select(["sse", "sse-h2"])
    with pytest.raises(UsageError, match=r"two cells would be called 0-sse-h2-a: the load (h2-)?a over sse"):
        plan.draw(Scenario(name="s", about="", cells=cells, blocks=1), chosen, seed=1)
    assert len(plan.draw(Scenario(name="s", about="", cells=cells[:1], blocks=1), chosen, seed=1)) == 2
