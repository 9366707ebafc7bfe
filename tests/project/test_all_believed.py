"""What continuous integration concludes from several comparisons on a busy machine: each cell must be believed once."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from msgspec.structs import replace

from loadtests.records import store
from loadtests.records.schema import Run, Validity, Verdict

ROOT = Path(__file__).parents[2]
FAULTS = runpy.run_path(str(ROOT / ".ci" / "all_believed.py"))["faults"]
LATE = Verdict(validity=Validity.INVALID, reasons=("late",))


def compared(verdict: Verdict, lost: int = 0, received: int = 1, complete: bool = True) -> Run:
    """A run of one cell of the reference run."""
    run = store.load(ROOT / "results" / "reference")
    cell = next(each for each in run.cells if each.counts is not None and each.counts.received)
    assert cell.counts is not None
    counts = replace(cell.counts, lost=lost, received=received * cell.counts.received)
    return replace(run, cells=(replace(cell, id="0-one", verdict=verdict, counts=counts),), complete=complete)


VALID = compared(Verdict(validity=Validity.VALID, reasons=()))


def test_a_cell_that_was_only_late_is_to_be_believed_once() -> None:
    assert FAULTS([compared(LATE), VALID]) == []
    assert FAULTS([compared(LATE)] * 3) == ["0-one: invalid each time"]


@pytest.mark.parametrize("run", [compared(LATE, lost=1), compared(LATE, received=0)], ids=["lost", "silent"])
def test_a_cell_in_which_something_is_missing_is_a_fault_whatever_came_of_it_later(run: Run) -> None:
    assert FAULTS([run, VALID]) == ["0-one: late"]


def test_a_run_that_was_not_finished_is_a_fault() -> None:
    assert FAULTS([replace(VALID, complete=False)]) == [f"{VALID.run_id}: not complete"]
