"""Which cells are measured once more: those that only the circumstances made invalid.

Pure. A cell that lost, doubled or reordered something, or whose server died, is a finding and never repeated away. A
repeated cell stays in the run beside its repetition, marked invalid and left out of the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from loadtests.lab.plan import PlannedCell
from loadtests.runs.schema import Cell, Validity

SUFFIX = "-again"
PASSES = 2
_SHARE = 5


def allowance(planned: int) -> int:
    """Return how many repetitions a run of so many cells may have: its length stays what was promised."""
    return max(2, planned // _SHARE)


def repetitions(planned: Sequence[PlannedCell], measured: Iterable[Cell], most: int) -> tuple[PlannedCell, ...]:
    """Return the cells to repeat, at most `most`, in the order in which they first ran."""
    by_id = {cell.id: cell for cell in planned}
    spoilt = [by_id[cell.id] for cell in measured if cell.id in by_id and _is_spoilt(cell)]
    order = max((cell.order for cell in planned), default=0)
    return tuple(
        replace(cell, id=cell.id + SUFFIX, order=order + index)
        for index, cell in enumerate(spoilt[: max(0, most)], start=1)
    )


def unreplaced(measured: Sequence[Cell]) -> list[Cell]:
    """Return the invalid cells that no repetition stands in for."""
    good = {cell.id for cell in measured if cell.verdict.validity is not Validity.INVALID}
    return [
        cell
        for cell in measured
        if cell.verdict.validity is Validity.INVALID
        and not any(cell.id + SUFFIX * passes in good for passes in range(1, PASSES + 1))
    ]


def _is_spoilt(cell: Cell) -> bool:
    counts = cell.counts
    if cell.verdict.validity is not Validity.INVALID or counts is None:
        return False
    return counts.received > 0 and not (counts.lost or counts.duplicates or counts.out_of_order)
