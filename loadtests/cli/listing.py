"""`rtlab list`: what can be measured, and what has been."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from loadtests.records import adapter as adapters
from loadtests.records import repeats, store
from loadtests.records.errors import RunError
from loadtests.run import scenario as scenarios
from loadtests.run.targets import TARGETS

_UNCUT = 10_000  # columns


def show(runs_folder: Path) -> int:
    """Print transports, adapters, scenarios and the runs in `runs_folder`; return the exit code."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_UNCUT)  # a pipe has no width, and whoever reads it wants whole ids
    console.print(f"transports: {', '.join(target.name for target in TARGETS)}", highlight=False)
    console.print(f"adapters: {', '.join(adapters.FILES.named())}\n", highlight=False)
    console.print(_scenarios())
    console.print(_runs(runs_folder))
    return 0


def _scenarios() -> Table:
    table = Table("scenario", "what it shows", box=None, title="scenarios", title_justify="left")
    for name, path in scenarios.FILES.named().items():
        table.add_row(name, scenarios.FILES.read(path).about)
    return table


def _runs(runs_folder: Path) -> Table | str:
    folders = store.listed(runs_folder)
    if not folders:
        return f"no runs in {runs_folder} yet"
    run_id = Column("run", no_wrap=True, overflow="fold")
    table = Table(run_id, "scenario", "cells", "state", box=None, title="runs", title_justify="left")
    for folder in folders:
        try:
            run = store.load(folder)
        except RunError as error:
            table.add_row(folder.name, "?", "?", str(error))
            continue
        state = "complete" if run.complete else "incomplete"
        table.add_row(folder.name, run.scenario, f"{repeats.done(run.cells)}/{run.planned_cells}", state)
    return table
