"""The passes of a run: the planned cells first, then those that only the environment made invalid or doubtful.

A cell that lost, doubled or reordered something, or whose server died, is a finding and never repeated away; nor is one
in which a publication was refused or not answered, or a client cut. The instrument's state alone decides what is
repeated, never a latency. The cell stays in the run beside its repetition (`loadtests.records.repeats`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from loadtests.records.repeats import SUFFIX
from loadtests.records.schema import Cell, Run, Validity
from loadtests.records.store import RunStore
from loadtests.run.plan import PlannedCell

REPEATS = 2
_REPEATED_SHARE = 3
_MOST_REPEATED = 12


class Passes(Protocol):
    """What a run measures, pass by pass; each pass follows from what the ones before have shown."""

    @property
    def first(self) -> Sequence[PlannedCell]:
        """The cells that make the run complete; there may be more."""

    def next(self, store: RunStore) -> Sequence[PlannedCell]:
        """Return the cells of the next pass; none when the run is done."""

    def reached(self, run: Run) -> str:
        """Say how far the run got, if it ends now: `after 3 of 8 cells; …`."""


class RepeatPasses:
    """The planned cells, then at most `repeats` times those that the environment spoilt."""

    def __init__(self, planned: Sequence[PlannedCell], repeats: int = REPEATS) -> None:
        """Plan for `planned`, none of which has run."""
        self.first = self._todo = planned
        self._left = repeats
        self._allowed = allowance(len(planned))
        self._began = False

    def next(self, store: RunStore) -> Sequence[PlannedCell]:
        """Return the cells of the next pass; none when the run is done."""
        if self._began:
            self._left -= 1
            self._todo = repetitions(self._todo, store.run.cells, self._allowed) if self._left >= 0 else ()
            self._allowed -= len(self._todo)
        self._began = True
        return self._todo

    def reached(self, run: Run) -> str:
        """Say how many cells were measured, and name the planned ones that were not."""
        done = {cell.id for cell in run.cells}
        missing = [cell.id for cell in self.first if cell.id not in done]
        return f"after {len(done)} of {len(self.first)} cells; missing: {', '.join(missing)}"


def allowance(planned: int) -> int:
    """Return how many repetitions a run of so many cells may have: its length stays what was promised."""
    return max(2, min(_MOST_REPEATED, planned // _REPEATED_SHARE))


def repetitions(planned: Sequence[PlannedCell], measured: Sequence[Cell], most: int) -> tuple[PlannedCell, ...]:
    """Return the cells to repeat, at most `most`: the invalid ones first, each kind in the order it ran."""
    by_id = {cell.id: cell for cell in planned}
    ours = [cell for cell in measured if cell.id in by_id and not _disturbed(cell)]
    repeated = [*filter(spoilt_by_environment, ours), *filter(doubtful_by_environment, ours)]
    order = max((cell.order for cell in planned), default=0)
    return tuple(
        replace(by_id[cell.id], id=cell.id + SUFFIX, order=order + index)
        for index, cell in enumerate(repeated[: max(0, most)], start=1)
    )


def spoilt_by_environment(cell: Cell) -> bool:
    """Whether only the environment made a cell invalid: everything arrived, once and in order."""
    counts = cell.counts
    if cell.verdict.validity is not Validity.INVALID or counts is None:
        return False
    return counts.received > 0 and not (counts.lost or counts.duplicates or counts.out_of_order or counts.unanswered)


def doubtful_by_environment(cell: Cell) -> bool:
    """Whether only the environment made a planned cell doubtful; a doubtful repetition is not repeated once more."""
    if cell.verdict.validity is not Validity.DOUBTFUL or cell.id.endswith(SUFFIX):
        return False
    # Where kernel stamps are missing, or a proxy hides the server, a repetition would have no more.
    return cell.instrument is not None and cell.instrument.clock == "kernel" and not cell.server.get("forwards")


def _disturbed(cell: Cell) -> bool:
    """Whether a client was refused or cut, or nothing was counted: perhaps the server's doing."""
    counts = cell.counts
    return counts is None or bool(counts.refused or counts.unanswered or counts.told_gaps or counts.reconnects)
