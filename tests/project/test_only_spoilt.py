"""What continuous integration lets pass when a machine is late: nothing that a server or the instrument did wrong."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from msgspec.structs import replace

from loadtests.runs import store
from loadtests.runs.schema import Run, Validity, Verdict

ROOT = Path(__file__).parents[2]
FAULTS = runpy.run_path(str(ROOT / ".ci" / "only_spoilt.py"))["faults"]


def spoilt(lost: int = 0, received: int = 1, complete: bool = True) -> Run:
    """The reference run with one more invalid cell, which was late."""
    run = store.load(ROOT / "results" / "reference")
    cell = next(each for each in run.cells if each.counts is not None and each.counts.received)
    assert cell.counts is not None
    counts = replace(cell.counts, lost=lost, received=received * cell.counts.received)
    late = replace(cell, id="late", verdict=Verdict(validity=Validity.INVALID, reasons=("late",)), counts=counts)
    return replace(run, cells=(*run.cells, late), complete=complete)


def test_a_cell_that_was_only_late_is_let_pass() -> None:
    assert FAULTS(spoilt()) == []


@pytest.mark.parametrize("run", [spoilt(lost=1), spoilt(received=0)], ids=["lost", "silent"])
def test_a_cell_in_which_something_is_missing_is_not(run: Run) -> None:
    assert FAULTS(run) == ["late: late"]


def test_a_run_that_was_not_finished_is_not() -> None:
    assert FAULTS(spoilt(complete=False)) == ["the run is not complete"]
