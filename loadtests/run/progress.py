"""What the person at the terminal sees while cells run: where we are, and how long it will take yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loadtests.records import cell_spec as spec
from loadtests.records.schema import Cell, Validity
from loadtests.run.plan import PlannedCell

_FIRST_GUESS_S = 2.0  # for a server to start and to drain
_MARKS = {Validity.VALID: "valid", Validity.DOUBTFUL: "doubtful", Validity.INVALID: "INVALID"}


class Remaining:
    """Time left: what the cells to come must take, plus what starting and ending one has cost so far."""

    def __init__(self, cells: Sequence[PlannedCell]) -> None:
        """Plan for `cells`, none of which has run."""
        self._left = list(cells)
        self._overheads_s: list[float] = []

    def finished(self, took_s: float) -> None:
        """Note that the next cell in order has run and what it took."""
        self._overheads_s.append(max(0.0, took_s - self._left.pop(0).measuring_s))

    def seconds(self) -> float:
        """Return the seconds that the cells to come will take."""
        overheads = self._overheads_s
        overhead_s = sum(overheads) / len(overheads) if overheads else _FIRST_GUESS_S
        return sum(cell.measuring_s + overhead_s for cell in self._left)


class Display(Protocol):
    """Shows the run's progress; called in the lab's main thread only."""

    def begin(self, cell: PlannedCell) -> None:
        """A cell starts."""

    def on_progress(self, progress: spec.Progress) -> None:
        """The generator reported something."""

    def end(self, cell: Cell) -> None:
        """The cell that began last has its verdict."""

    def say(self, line: str) -> None:
        """Print one line."""

    def close(self) -> None:
        """Nothing more will come."""


class PlainDisplay:
    """One line per cell, for logs and pipes."""

    def __init__(self, console: Console, cells: Sequence[PlannedCell]) -> None:
        """Print to `console`."""
        self._console = console
        self._remaining = Remaining(cells)
        self._total = len(cells)
        self._count = 0
        self._began_s = time.monotonic()

    def open(self) -> None:
        """Say what is to come."""
        self.say(f"{self._total} cells, about {minutes(self._remaining.seconds())}")

    def begin(self, cell: PlannedCell) -> None:
        """Start the clock; the line comes at the end."""
        self._began_s = time.monotonic()

    def on_progress(self, progress: spec.Progress) -> None:
        """Say nothing: a log wants results."""

    def end(self, cell: Cell) -> None:
        """Print the cell's line."""
        took_s = self._finished()
        self.say(
            f"[{self._count:{len(str(self._total))}}/{self._total}] {outcome(cell)}, {took_s:.1f} s; "
            f"{minutes(self._remaining.seconds())} left"
        )

    def _finished(self) -> float:
        """Count the cell that began last; return how long it took, in seconds."""
        took_s = time.monotonic() - self._began_s
        self._remaining.finished(took_s)
        self._count += 1
        return took_s

    def say(self, line: str) -> None:
        """Print one line; on a terminal above the bar."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=not self._console.is_terminal)

    def close(self) -> None:
        """Nothing is open."""


class LiveDisplay(PlainDisplay):
    """A bar with the present cell and the time left, under a line for each cell that was not valid."""

    def open(self) -> None:
        """Start the bar."""
        self._deadline_s = self._began_s + self._remaining.seconds()
        # Two redraws a second: the generator's core is also the lab's.
        self._bar = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("{task.fields[left]} left"),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            refresh_per_second=2,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task("starting", total=self._total, left=self._left())
        self._cell = ""
        self._bar.start()

    def _left(self) -> str:
        return minutes(max(0.0, self._deadline_s - time.monotonic()))

    def begin(self, cell: PlannedCell) -> None:
        """Show the cell's name."""
        super().begin(cell)
        self._deadline_s = self._began_s + self._remaining.seconds()
        self._cell = cell.id
        self._bar.update(self._task, description=f"{cell.id}: starting", left=self._left())

    def on_progress(self, progress: spec.Progress) -> None:
        """Show how far the cell is."""
        connected = f", {progress.connected} connected" if progress.connected else ""
        delivered = f", {progress.delivered} deliveries" if progress.delivered else ""
        description = f"{self._cell}: {progress.event}{connected}{delivered}"
        self._bar.update(self._task, description=description, left=self._left())

    def end(self, cell: Cell) -> None:
        """Advance the bar; print the cell's line if there is something against it."""
        self._finished()
        self._deadline_s = time.monotonic() + self._remaining.seconds()
        self._bar.update(self._task, advance=1, left=self._left())
        if cell.verdict.validity is not Validity.VALID:
            self.say(outcome(cell))

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def outcome(cell: Cell) -> str:
    """Return one line on a cell: its name, verdict and reasons."""
    reasons = "; ".join(cell.verdict.reasons)
    return f"{cell.id}: {_MARKS[cell.verdict.validity]}" + (f" ({reasons})" if reasons else "")


def minutes(seconds: float) -> str:
    """Return a duration as people say it, e.g. `2 min 05 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def display(cells: Sequence[PlannedCell], console: Console | None = None) -> Display:
    """Return the display that fits the console, open; None: standard output's."""
    console = console or Console()
    fitting = LiveDisplay(console, cells) if console.is_terminal else PlainDisplay(console, cells)
    fitting.open()
    return fitting
