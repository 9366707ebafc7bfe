"""Capacity: what speaks against a rate, and a whole search whose server has a known limit."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.evidence import capacity
from loadtests.evidence.capacity import Search, SearchPasses, SearchRange, against
from loadtests.records.cell_spec import Load, Slo
from loadtests.records.errors import UsageError
from loadtests.records.schema import (
    PUBLISHES,
    SAMPLES,
    TIMELINE,
    Cell,
    Counts,
    Instrument,
    Phase,
    Pressure,
    Validity,
    Verdict,
)
from loadtests.records.store import RunStore
from loadtests.report import capacity as brackets
from loadtests.report.quantity import AtLeast
from loadtests.run import plan, targets
from loadtests.run.plan import PlannedCell
from loadtests.run.scenario import CellPlan, Scenario, find
from tests.loadtests.records.test_store import cell, new_run


def searched(truth: float, *, max_steps: int = 60, spoilt_tries: frozenset[int] = frozenset()) -> Search:
    """Search where rates up to `truth` are carried; the tries in `spoilt_tries` fail whatever their rate."""
    search = Search(lowest=10, highest=5000, within=1.1, max_steps=max_steps)
    tries = 0
    while (rate := search.next_rate()) is not None:
        search.note(rate, met=rate <= truth and tries not in spoilt_tries)
        tries += 1
    assert tries == search.steps <= max_steps
    return search


@given(st.floats(min_value=10, max_value=4999))
def test_the_bracket_holds_the_truth_and_is_narrow(truth: float) -> None:
    search = searched(truth)
    assert search.met is not None
    assert search.missed is not None
    assert search.met <= truth < search.missed
    assert search.missed / search.met <= 1.1


@given(st.floats(min_value=10, max_value=4999), st.integers(min_value=0, max_value=20))
def test_a_single_failure_moves_no_bracket(truth: float, spoilt: int) -> None:
    search = searched(truth, spoilt_tries=frozenset({spoilt}))
    assert search.met is not None
    assert search.missed is not None
    assert search.met <= truth < search.missed


def test_what_is_below_or_above_all_rates_is_an_open_bracket() -> None:
    low, high = searched(9), searched(5000)
    assert (low.met, low.missed, low.steps) == (None, 10, 2)
    assert (high.met, high.missed) == (5000, None)


@given(st.floats(min_value=10, max_value=4999), st.integers(min_value=1, max_value=12))
def test_it_never_takes_more_steps_than_allowed(truth: float, max_steps: int) -> None:
    assert searched(truth, max_steps=max_steps).steps <= max_steps


SLO = Slo(p99_ms=50.0)
RANGE = SearchRange(lowest=10, highest=1000, within_percent=10, max_steps=30, max_minutes=5)
ALL_ARRIVED = Counts(100, 0, 2000, 2000, 0, 0, 0, 0, 0)
LIMIT_PER_S = 77


def measured(planned: PlannedCell, *, verdict: Verdict = Verdict(Validity.VALID)) -> Cell:  # noqa: B008  # frozen
    made = msgspec.structs.replace(
        cell(planned.id), transport=planned.target.name, load=planned.load.name, kind=planned.kind
    )
    return msgspec.structs.replace(made, rate_per_s=planned.load.rate_per_s, counts=ALL_ARRIVED, verdict=verdict)


def tables(name: str, latency_ms: float, rows: int = 2000) -> dict[str, pa.Table]:
    row = dict.fromkeys(SAMPLES.names, 1) | {
        "cell": name,
        "scheduled_ns": 0,
        "kernel_rx_ns": int(latency_ms * 1e6),
        "phase": Phase.MEASURED,
    }
    return {
        "samples": pa.Table.from_pylist([row] * rows, schema=SAMPLES),
        "publishes": PUBLISHES.empty_table(),
        "timeline": TIMELINE.empty_table(),
    }


def planned(*transports: str) -> tuple[PlannedCell, ...]:
    scenario = Scenario(
        name="test", about="", blocks=1, cells=(CellPlan(load=Load(name="50", subscribers=50, rate_per_s=1.0)),)
    )
    return plan.draw(capacity.with_the_load(scenario), targets.select(transports), seed=1)


FULL = Pressure(server_cpu_percent=19.5, server_held_percent=20.0, server_throttled_percent=60.0)
IDLE = Pressure(server_cpu_percent=9.0, server_held_percent=20.0, server_throttled_percent=0.0)
BUSY = Instrument("kernel", 0.1, 0.0, 3.0, 3.0, 95.0, None)
CALM = Instrument("kernel", 0.1, 0.0, 0.1, 0.1, 20.0, None)
LATE = msgspec.structs.replace(CALM, hub_lag_ms_p99=11.0)  # more than a fifth of the objective
STEPPED = msgspec.structs.replace(CALM, clock_steps=1)
BUSY_VERDICT = Verdict(Validity.INVALID, ("CPU is busy",))


@pytest.mark.parametrize(
    ("changes", "p99", "said"),
    [
        ({}, 49.0, ""),
        ({}, 51.0, "p99 is 51 ms"),
        ({}, AtLeast(1.0), "p99 is >= 1 ms"),
        ({}, None, "too few deliveries for a p99: measure longer, or with more receivers"),
        ({"counts": msgspec.structs.replace(ALL_ARRIVED, received=1990, lost=10)}, 1.0, "reach is 99.5 %"),
        ({"verdict": Verdict(Validity.INVALID, ("CPU is busy",))}, 1.0, "CPU is busy"),
        ({"verdict": BUSY_VERDICT, "instrument": CALM}, 1.0, ""),
        ({"verdict": BUSY_VERDICT, "instrument": CALM}, 51.0, "p99 is 51 ms"),
        ({"verdict": BUSY_VERDICT, "instrument": LATE}, 1.0, "CPU is busy"),
        ({"verdict": BUSY_VERDICT, "instrument": STEPPED}, 1.0, "CPU is busy"),
        ({"verdict": Verdict(Validity.DOUBTFUL, ("CPU is busy",))}, 1.0, ""),
        ({"counts": None, "verdict": Verdict(Validity.INVALID, ("the server died",))}, None, "the server died"),
    ],
)
def test_what_speaks_against_a_rate(changes: dict[str, object], p99: float | None, said: str) -> None:
    made = msgspec.structs.replace(cell("0-sse-1x1"), **({"counts": ALL_ARRIVED} | changes))
    assert against(made, p99, SLO) == said


def test_the_search_finds_each_servers_limit_and_writes_it_down(tmp_path: Path) -> None:
    passes = SearchPasses(planned("websocket", "sse", "longpoll"), SLO, RANGE, seed=1)
    store = RunStore.create(tmp_path, new_run(len(passes.first)))
    while todo := passes.next(store):
        assert len({cell.target.name for cell in todo}) == len(todo)
        for each in todo:
            # The generator, not the server, fails over SSE; long polling carries all there is.
            slow = each.target.name == "websocket" and each.load.rate_per_s > LIMIT_PER_S
            spoilt = each.target.name == "sse" and each.load.rate_per_s > LIMIT_PER_S
            verdict = Verdict(Validity.INVALID, ("the hub was late",)) if spoilt else Verdict(Validity.VALID)
            store.add(measured(each, verdict=verdict), tables(each.id, 80.0 if slow else 5.0))
    run = store.finish()
    assert run.complete
    websocket, sse, longpoll = brackets.brackets(run)
    for bracket in (websocket, sse):
        assert bracket.met_per_s is not None
        assert bracket.missed_per_s is not None
        assert bracket.met_per_s <= LIMIT_PER_S < bracket.missed_per_s <= 1.1 * bracket.met_per_s
        assert bracket.over
    assert websocket.words.endswith(": p99 is 80 ms")
    assert (websocket.server_missed, sse.server_missed) == (True, False)
    assert "this machine can't tell" in sse.words
    assert sse.words.endswith("would give: the hub was late")
    assert (longpoll.met_per_s, longpoll.missed_per_s) == (1000, None)
    shown = brackets.render_text(run)
    assert shown.startswith(
        "capacity (p99 at most 50 ms, reach at least 100 %), messages a second and room:\nWebSocket:"
    )


@pytest.mark.parametrize(
    ("of", "health", "who", "told"),
    [
        (FULL, CALM, "the server", True),
        (Pressure(server_cpu_percent=100.0), CALM, "the server", True),
        (Pressure(server_cpu_percent=380.0, server_cores=4), CALM, "the server", True),
        (Pressure(server_cpu_percent=100.0, server_cores=4), CALM, "", False),
        (Pressure(server_cpu_percent=100.0, server_cores=4), BUSY, "", False),
        (Pressure(server_cpu_percent=60.0, server_cores=4), BUSY, "the generator", False),
        (IDLE, BUSY, "the generator", False),
        (FULL, BUSY, "", False),
        (IDLE, CALM, "", False),
        (None, CALM, "", False),
    ],
)
@pytest.mark.parametrize("along", ["subscribers", "rooms"])
def test_who_gave_up_is_found_by_evidence(
    of: Pressure | None, health: Instrument, who: str, told: bool, along: str, tmp_path: Path
) -> None:
    (first,) = planned("sse")
    limits = replace(RANGE, along=along, max_steps=4)
    passes = SearchPasses([first], SLO, limits, seed=1, proven_only=True)
    store = RunStore.create(tmp_path, new_run(1))
    while todo := passes.next(store):
        for each in todo:
            made = measured(each)
            load = {"subscribers": each.load.subscribers, "rooms": each.load.rooms, "pressure": of}
            slow = getattr(each.load, along) > 10
            store.add(msgspec.structs.replace(made, instrument=health, **load), tables(each.id, 80.0 if slow else 5.0))
    run = store.finish()
    (bracket,) = brackets.brackets(run)
    assert (bracket.along, bracket.met_per_s, bracket.missed_per_s) == (along, 10, 20)
    assert (bracket.gave_up, bracket.server_missed) == (who, told)
    assert bool(bracket.evidence) is (of is not None)
    assert bracket.evidence.startswith("server CPU" if of else "")
    assert (f"10 {along}; at 20: p99 is 80 ms" in bracket.words) is told
    if along == "rooms":
        assert all(cell.subscribers == 50 * cell.rooms for cell in run.cells), "each room has its own fifty"


@pytest.mark.parametrize(("failed", "told"), [("server", True), ("generator", False), ("link", False)])
def test_a_cell_without_counts_is_the_servers_miss_only_where_the_server_failed(
    failed: str, told: bool, tmp_path: Path
) -> None:
    passes = SearchPasses(planned("sse"), SLO, RANGE, seed=1)
    store = RunStore.create(tmp_path, new_run(1))
    while todo := passes.next(store):
        for each in todo:
            verdict = Verdict(Validity.INVALID, ("it did not end within 60 s",))
            store.add(msgspec.structs.replace(measured(each, verdict=verdict), counts=None, failed=failed), {})
    (bracket,) = brackets.brackets(store.finish())
    assert (bracket.missed_per_s, bracket.server_missed) == (10, told)


def test_a_miss_that_did_not_count_says_nothing_of_the_one_that_did(tmp_path: Path) -> None:
    passes = SearchPasses(planned("sse"), SLO, replace(RANGE, highest=20, max_steps=30), seed=1)
    store = RunStore.create(tmp_path, new_run(1))
    tries: dict[float, int] = {}
    while todo := passes.next(store):
        for each in todo:
            rate = each.load.rate_per_s
            tries[rate] = tries.get(rate, 0) + 1
            slow = rate == 20 or tries[rate] == 1  # every rate below is missed once, and then met
            made = msgspec.structs.replace(measured(each), instrument=CALM, pressure=FULL if rate == 20 else IDLE)
            store.add(made, tables(each.id, 80.0 if rate == 20 else 70.0 if slow else 5.0))
    (bracket,) = brackets.brackets(store.finish())
    assert (bracket.missed_per_s, bracket.against, bracket.gave_up) == (20, "p99 is 80 ms", "the server")
    assert bracket.evidence.startswith("server CPU 19.5 %")


def test_a_search_that_runs_out_of_steps_says_so(tmp_path: Path) -> None:
    passes = SearchPasses(planned("sse"), SLO, replace(RANGE, max_steps=2), seed=1)
    store = RunStore.create(tmp_path, new_run(1))
    while todo := passes.next(store):
        for each in todo:
            assert passes.reached(store.run) == f"after {len(store.run.cells)} cells; the search was not over for sse"
            store.add(measured(each), tables(each.id, 5.0))
    (bracket,) = brackets.brackets(store.finish())
    assert (bracket.met_per_s, bracket.missed_per_s, bracket.steps, bracket.over) == (20, None, 2, False)
    assert bracket.words.endswith("the search was not over")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lowest": 0}, "--from must be above 0"),
        ({"highest": 10}, "--from must be above 0 and below --to"),
        ({"within_percent": 0}, "--within 0.1 to 100"),
        ({"max_steps": 0}, "--steps 1 to 100"),
        ({"max_minutes": float("nan")}, "--minutes above 0"),
    ],
)
def test_bounds_that_leave_nothing_to_search_are_refused(changes: dict[str, float], said: str) -> None:
    RANGE.check()
    with pytest.raises(UsageError, match=said):
        SearchRange(**(asdict(RANGE) | changes)).check()


def test_a_scenario_with_several_loads_is_refused() -> None:
    with pytest.raises(UsageError, match=r"poisson has [0-9] cells of the kind latency; capacity is searched for one"):
        capacity.with_the_load(find("poisson"))
