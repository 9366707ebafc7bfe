"""Which cells are measured once more: those that only the circumstances made invalid, then those they made doubtful.

A cell that lost, doubled or reordered something, or whose server died, is a finding and never repeated away; nor is
one in which a publication was refused or not answered, or a client cut. What is measured again is decided by the
instrument's state alone, never by a latency. The cell stays in the run beside its repetition
(`loadtests.records.repeats`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loadtests.records.repeats import SUFFIX
from loadtests.records.schema import Cell, Run, Validity
from loadtests.records.store import RunStore
from loadtests.run.plan import PlannedCell

PASSES = 2
_SHARE = 3
_MOST = 12


class OnceMore:
    """Rounds of a run: the planned cells, then at most `passes` times those that the circumstances spoilt."""

    def __init__(self, planned: Sequence[PlannedCell], passes: int = PASSES) -> None:
        """Plan for `planned`, none of which has run."""
        self.first = planned
        self._passes = passes
        self._todo = planned
        self._allowed = allowance(len(planned))
        self._round = 0

    def next(self, store: RunStore) -> Sequence[PlannedCell]:
        """Return the cells of the next round; none when the run is done."""
        self._round += 1
        if self._round == 1:
            return self._todo
        if self._round > 1 + self._passes:
            return ()
        self._todo = repetitions(self._todo, store.run.cells, self._allowed)
        self._allowed -= len(self._todo)
        return self._todo

    def reached(self, run: Run) -> str:
        """Say how many cells were measured, and name the planned ones that were not."""
        done = {cell.id for cell in run.cells}
        missing = [cell.id for cell in self.first if cell.id not in done]
        return f"after {len(done)} of {len(self.first)} cells; missing: {', '.join(missing)}"


def allowance(planned: int) -> int:
    """Return how many repetitions a run of so many cells may have: its length stays what was promised."""
    return max(2, min(_MOST, planned // _SHARE))


def repetitions(planned: Sequence[PlannedCell], measured: Sequence[Cell], most: int) -> tuple[PlannedCell, ...]:
    """Return the cells to repeat, at most `most`: those that are of no use first, each kind in the order it ran."""
    by_id = {cell.id: cell for cell in planned}
    ours = [cell for cell in measured if cell.id in by_id and not _disturbed(cell)]
    spoilt = [cell for cell in ours if is_spoilt(cell)] + [cell for cell in ours if is_blurred(cell)]
    order = max((cell.order for cell in planned), default=0)
    return tuple(
        replace(by_id[cell.id], id=cell.id + SUFFIX, order=order + index)
        for index, cell in enumerate(spoilt[: max(0, most)], start=1)
    )


def is_spoilt(cell: Cell) -> bool:
    """Whether only the circumstances made a cell invalid: all arrived, once and in order."""
    counts = cell.counts
    if cell.verdict.validity is not Validity.INVALID or counts is None:
        return False
    return counts.received > 0 and not (counts.lost or counts.duplicates or counts.out_of_order or counts.unanswered)


def is_blurred(cell: Cell) -> bool:
    """Whether only the circumstances made a planned cell doubtful; a repetition that is doubtful too is let be."""
    if cell.verdict.validity is not Validity.DOUBTFUL or cell.id.endswith(SUFFIX):
        return False
    # Where stamps are missing, or a proxy hides the server, they are missing and it hides it again.
    return cell.instrument is not None and cell.instrument.clock == "kernel" and not cell.server.get("forwards")


def _disturbed(cell: Cell) -> bool:
    """Whether somebody was refused or cut, or the cell never came to count anything: the server's doing, perhaps."""
    counts = cell.counts
    return counts is None or bool(counts.refused or counts.unanswered or counts.told_gaps or counts.reconnects)
