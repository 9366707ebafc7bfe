"""Cells that only the environment spoilt are measured again; findings are not."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from loadtests.records.schema import Cell, Counts, Instrument, Validity, Verdict
from loadtests.run import plan, scenario, targets, validity
from loadtests.run.plan import PlannedCell

PLANNED = plan.draw(scenario.find("compare"), targets.TARGETS, seed=1)
COUNTS = Counts(
    published=1,
    refused=0,
    expected=1,
    received=1,
    lost=0,
    duplicates=0,
    out_of_order=0,
    told_gaps=0,
    reconnects=0,
)


def instrument(clock: str) -> Instrument:
    return Instrument(clock, 0.1, 0.0, 0.1, 0.1, 10.0, 1.0)


def measured(planned: PlannedCell, validity: Validity, counts: Counts | None = COUNTS) -> Cell:
    return Cell(
        id=planned.id,
        transport=planned.target.name,
        load=planned.load.name,
        kind=planned.kind,
        block=planned.block,
        order=planned.order,
        subscribers=1,
        publishers=1,
        rooms=1,
        rate_per_s=1.0,
        payload_bytes=128,
        warm_up_s=0.0,
        measured_s=1.0,
        link="loopback",
        verdict=Verdict(validity, ()),
        counts=counts,
        instrument=instrument("kernel"),
    )


@pytest.mark.parametrize("wrong", [{"clock_steps": 1}, {"rx_gap_ms_min": -40.0}, {"transit_ms_min": -1.0}])
def test_a_cell_whose_clocks_were_wrong_is_measured_again(wrong: dict[str, float]) -> None:
    health = msgspec.structs.replace(instrument("kernel"), **wrong)
    verdict = validity.judge(COUNTS, health, pushes=True, connected=1, subscribers=1)
    cell = msgspec.structs.replace(measured(PLANNED[0], Validity.VALID), verdict=verdict, instrument=health)
    assert [planned.id for planned in plan.repetitions(PLANNED, [cell], 5)] == [f"{PLANNED[0].id}-again"]


def test_invalid_cells_are_repeated_and_then_doubtful_ones() -> None:
    cells = [
        measured(PLANNED[1], Validity.DOUBTFUL),
        measured(PLANNED[0], Validity.INVALID),
        measured(PLANNED[2], Validity.VALID),
    ]
    repeated, second = plan.repetitions(PLANNED, cells, 5)
    assert second.id == f"{PLANNED[1].id}-again"
    assert plan.repetitions(PLANNED, cells, 1) == (repeated,)
    assert repeated.id == f"{PLANNED[0].id}-again"
    assert (repeated.target, repeated.load, repeated.block) == (
        PLANNED[0].target,
        PLANNED[0].load,
        PLANNED[0].block,
    )
    assert repeated.order > max(cell.order for cell in PLANNED)


@pytest.mark.parametrize(
    "finding",
    [
        *(
            {name: 1}
            for name in ("lost", "duplicates", "out_of_order", "refused", "unanswered", "told_gaps", "reconnects")
        ),
        {"received": 0},
    ],
)
def test_a_finding_is_never_repeated_away(finding: dict[str, int]) -> None:
    found = measured(PLANNED[0], Validity.INVALID, msgspec.structs.replace(COUNTS, **finding))
    assert plan.repetitions(PLANNED, [found], 5) == ()
    assert plan.repetitions(PLANNED, [measured(PLANNED[0], Validity.INVALID, None)], 5) == ()


@pytest.mark.parametrize("finding", [{"refused": 1}, {"unanswered": 1}, {"told_gaps": 1}, {"reconnects": 1}])
def test_a_doubt_that_is_a_finding_is_not_repeated_either(finding: dict[str, int]) -> None:
    found = measured(PLANNED[0], Validity.DOUBTFUL, msgspec.structs.replace(COUNTS, **finding))
    assert plan.repetitions(PLANNED, [found], 5) == ()


def test_a_doubt_that_will_not_go_is_let_be() -> None:
    repeated = [msgspec.structs.replace(measured(PLANNED[0], Validity.DOUBTFUL), id=f"{PLANNED[0].id}-again")]
    assert plan.repetitions([replace(PLANNED[0], id=repeated[0].id)], repeated, 5) == ()
    stampless = msgspec.structs.replace(measured(PLANNED[0], Validity.DOUBTFUL), instrument=instrument("user"))
    assert plan.repetitions(PLANNED, [stampless], 5) == ()


def test_no_more_are_repeated_than_the_run_may_grow_by() -> None:
    cells = [measured(cell, Validity.INVALID) for cell in PLANNED]
    assert [cell.id for cell in plan.repetitions(PLANNED, cells, 2)] == [f"{each.id}-again" for each in cells[:2]]
    assert plan.repetitions(PLANNED, cells, 0) == ()
    assert (plan.allowance(96), plan.allowance(24), plan.allowance(3)) == (4, 4, 2)
