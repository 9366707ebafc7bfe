"""The bench's arithmetic, on rows with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtests.evidence.bench import bars, charts, matrix, summary
from loadtests.evidence.bench.bench import expected_s, minutes
from loadtests.evidence.bench.groups import GROUPS, batches
from loadtests.evidence.bench.idle import IdleGroup
from loadtests.evidence.bench.runs import Load
from loadtests.evidence.bench.summary import Row

CASE = "websocket/n1000-w1-128B"


def row(system: str, repeat: int, case: str = CASE, **result: Any) -> Row:
    return {"case": case, "system": system, "repeat": repeat, "result": {"missing": 0, **result}}


ROWS = [
    row("direct", 0, dps=90.0, us_per_del=8.0),
    row("floor", 0, dps=100.0, us_per_del=6.0),
    row("direct", 1, dps=50.0, us_per_del=9.0),
    row("floor", 1, dps=40.0, us_per_del=7.0),
    row("direct", 2, dps=30.0, us_per_del=8.5),
]


def test_ratios_are_taken_within_a_repeat() -> None:
    assert summary.paired_ratio(ROWS, CASE, "dps", "direct", "floor") == pytest.approx((1.075, 0.9, 1.25))
    assert summary.paired_ratio(ROWS, CASE, "dps", "direct", "nchan") is None


@pytest.mark.parametrize(
    ("load", "quantity"),
    [
        ("n1000-w1-128B", "cost"),
        ("n1000-w16-128B", "throughput"),
        ("n1000-r60-128B", "p99"),
        ("n1000-r60-128B-1stalled", "p99"),
        ("memory-5000", "memory"),
        ("n1000-w1-128B-10rooms", "cost"),
        ("n10-r1000-128B-10rooms", "cost"),
        ("joins-2000-tabs", "joins"),
        ("memory-500-tls", "memory"),
        ("rooms-250x2", "message"),
    ],
)
def test_a_load_is_judged_by_its_quantity(load: str, quantity: str) -> None:
    assert summary.quantity_of(load) == quantity


def test_table_shows_median_and_range_and_a_dash_for_what_was_not_run() -> None:
    rows = [*ROWS, row("nchan", 0, case="sse/n1000-w1-128B", us_per_del=9.0)]
    text = summary.markdown(rows)
    assert "| 8.50 (8.00 to 9.00) | 6.50 (6.00 to 7.00) | - |" in text
    assert "### sse" in text


def test_lost_deliveries_are_counted_whichever_way_they_are_off() -> None:
    assert summary.lost([row("direct", 0, missing=3), row("floor", 0, missing=-1)]) == 4


def test_bars_say_what_is_kept_what_is_not_and_what_was_not_measured() -> None:
    text = bars.markdown(ROWS)
    assert "throughput against floor | at least 0.8 | 1.07 (0.90 to 1.25) | yes |" in text
    assert "throughput against nchan | at least 1.1 | not measured | |" in text
    slow = [row("direct", 0, dps=10.0), row("floor", 0, dps=100.0)]
    assert "at least 0.8 | 0.10 (0.10 to 0.10) | **no**: most of a delivery" in bars.markdown(slow)


def test_a_stalled_reader_is_compared_with_the_same_load_without_it() -> None:
    alone, beside = "sse/n1000-r60-128B", "sse/n1000-r60-128B-1stalled"
    rows = [row("direct", 0, alone, p99us=100.0), row("direct", 0, beside, p99us=150.0)]
    assert "against without | at most 1.1 | 1.50 (1.50 to 1.50) | **no**: a run has few messages" in bars.markdown(rows)


def test_what_the_floor_itself_reaches_stands_beside_a_bar_against_nchan() -> None:
    case = "sse/n1000-w1-128B"
    rows = [row(name, 0, case, dps=rate) for name, rate in (("direct", 140.0), ("floor", 150.0), ("nchan", 100.0))]
    text = bars.markdown(rows)
    assert "against nchan | at least 1.4 | 1.40 (1.40 to 1.40) | yes | 1.50 (1.50 to 1.50) |" in text
    assert "against floor | at least 0.7 | 0.93 (0.93 to 0.93) | yes |  |" in text


def test_who_was_busy_is_said_where_the_client_could_be_the_bottleneck() -> None:
    case = "sse/n1000-w1-128B"
    shares = (0.9, 0.95, 1.0)
    rows = [row("floor", repeat, case, client_busy=share, srv_cpu=share - 0.1) for repeat, share in enumerate(shares)]
    rows.append(row("direct", 0, "sse/n1000-w16-128B", client_busy=0.3, srv_cpu=0.5))
    text = summary.busy(rows)
    assert f"| {case} | server | 0.85 (0.80 to 0.90) |" in text
    assert f"| {case} | load client | 0.95 (0.90 to 1.00) |" in text
    assert "w16" not in text


def test_a_yardstick_shows_what_it_costs_and_no_more() -> None:
    rows = [row("plain Starlette", 0, "sse/rooms-100x10-yardstick", us_per_msg=190.0, client_busy=0.3, srv_cpu=0.9)]
    (line,) = [each for each in summary.rooms_markdown(rows).splitlines() if "yardstick" in each]
    assert line == "| sse 100x10-yardstick | µs of server CPU per message | 190.0 (190.0 to 190.0) |"
    assert summary.busy(rows) == ""
    assert charts.delivery_costs_us(rows, "sse", "plain Starlette") == {}


@pytest.mark.parametrize("extent", ["quick", "default", "full"])
def test_cases_of_an_extent_are_distinct(extent: str) -> None:
    names = [case.name for case in matrix.cases(extent)]
    assert len(names) == len(set(names))
    names += [load for batch in batches(GROUPS, extent) if isinstance(batch, IdleGroup) for load in batch.load_names]
    assert any("memory" in name for name in names) == (extent != "quick")


def test_half_rate_is_half_of_what_the_floor_does() -> None:
    beside, alone = matrix.half_rate_cases("sse", {"direct": 80_000.0, "floor": 100_000.0, "portable": 49_000.0}, 1000)
    assert isinstance(alone.load, Load)
    assert isinstance(beside.load, Load)
    assert alone.load.rate_per_s == 50.0
    assert (beside.load.rate_per_s, beside.load.stalled) == (50.0, 1)
    assert alone.systems == ("direct", "floor"), "who cannot keep up is not asked"
    assert len(matrix.half_rate_cases("longpoll", {"floor": 100_000.0}, 1000)) == 1


def test_chart_is_the_same_for_the_same_rows(tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    charts.draw(ROWS, first, 1000)
    charts.draw(ROWS, second, 1000)
    assert first.read_bytes() == second.read_bytes()


def test_default_bench_takes_at_most_nineteen_minutes_on_a_quiet_machine() -> None:
    everybody = {name for case in matrix.cases("full") for name in case.systems}
    everybody |= {name for batch in batches(GROUPS) for name in batch.systems}
    seconds = [expected_s("default", GROUPS, repeats, everybody) for repeats in (2, 3)]
    assert sum(seconds[0].values()) < sum(seconds[1].values()) <= 19 * 60
    assert set(seconds[1]) == {"rooms", "post", "redis", "memory", "floor and nchan", "joins", "p99"}


def test_minutes_are_those_of_all_groups_and_of_each() -> None:
    assert minutes({"rooms": 90.0, "post": 30.0}) == "2.0 minutes (rooms 1.5, post 0.5)"


def test_those_who_are_compared_run_more_often_where_ratios_are_near_one() -> None:
    waiting = next(case for case in matrix.cases("default") if case.name == "sse/n1000-w1-128B")
    assert waiting.turns > 1
    assert set(waiting.systems_in(0)) > set(matrix.COMPARED)
    assert waiting.systems_in(1) == matrix.COMPARED
    assert set(waiting.systems) - set(waiting.systems_in(0, repeat=1)) == {"direct by write"}


def test_what_is_compared_starts_together_and_each_run_has_a_number_of_its_own() -> None:
    together = list(matrix.apart(matrix.cases("full")))
    (windows,) = [each for each in together if each[0].name == "sse/n1000-w1-128B"]
    assert [case.name for case in windows] == ["sse/n1000-w1-128B", "sse/n1000-w16-128B"]
    assert all(len(each) == 1 for each in together if each[0].group == "growth")
    assert sum(len(each) for each in together) == len(list(matrix.cases("full")))
    found = ("direct", "floor", "direct by write")
    every = [turn for repeat in range(3) for turn in matrix.turns(windows, repeat, found)]
    rows = [(case.name, name, number) for turn in every for case, name, number in turn]
    assert len(rows) == len(set(rows)) == 2 * 6 + 1 + 2 * 3
    assert max(number for name, _, number in rows if "w1-" in name) == 5
    assert max(number for name, _, number in rows if "w16-" in name) == 2
    (memory,) = [each for each in together if each[0].group == "memory" and each[0].transport == "sse"]
    assert [len(matrix.turns(memory, repeat, found)) for repeat in range(2)] == [1, 0]


def test_rooms_of_one_are_no_load_at_half_the_floors_rate() -> None:
    rows = [row(system, 0, "sse/n10-r1000-128B-10rooms", p99us=9.0) for system in ("direct", "floor")]
    assert bars.half_rate_bars(rows) == []


def test_a_bar_of_joins_is_a_plain_figure() -> None:
    rows = [
        row("direct", repeat, "sse/joins-2000", connects_per_s=rate) for repeat, rate in enumerate((2100.0, 1900.0))
    ]
    assert "| at least 2,000 | 2,000 (1,900 to 2,100) | yes |  |" in bars.markdown(rows)
