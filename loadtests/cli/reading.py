"""The commands that read runs which were made before: `report`, `diff`, `export`, `list`.

`add_NAME` describes a command to the parser; what it runs returns the exit code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from rich.table import Table

    from loadtests.cli.options import Commands

_UNCUT = 10_000  # columns


def add_report(commands: Commands) -> None:
    """Describe `rtlab report` to the parser."""
    parser = commands.add_parser("report", help="print a run's table and write its report again")
    parser.add_argument(
        "run", metavar="RUN", nargs="+", help="a run folder, a run id, or latest; or the shards of one Locust run"
    )
    blocks.add_wide(parser)
    blocks.add_runs(parser)
    parser.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> int:
    from loadtests.records import shard
    from loadtests.records.errors import UsageError
    from loadtests.report.conclude import report
    from loadtests.run import shards

    named: list[str] = options.run
    folders = [Path(name) for name in named if shard.within(Path(name))]
    if folders and len(folders) < len(named):
        raise UsageError("give either one run, or the shards of one Locust run; here are both")
    if not folders and len(named) > 1:
        raise UsageError("give one run; only the shards of a Locust run are taken together")
    run = str(shards.assemble(folders, options.runs)) if folders else named[0]
    return report(run, options.runs, wide=options.wide)


def add_diff(commands: Commands) -> None:
    """Describe `rtlab diff` to the parser."""
    parser = commands.add_parser("diff", help="say how one run differs from another, if they can be compared at all")
    parser.add_argument("a", metavar="A", help="a run folder, a run id, or latest")
    parser.add_argument("b", metavar="B", help="the run that is held against it")
    parser.add_argument(
        "--despite",
        action="append",
        default=[],
        metavar="FIELD",
        help="compare although this field of the manifest differs, e.g. settings.deflate; repeatable",
    )
    blocks.add_runs(parser)
    parser.set_defaults(command=lambda options: diff(options.a, options.b, options.runs, frozenset(options.despite)))


def add_export(commands: Commands) -> None:
    """Describe `rtlab export` to the parser."""
    parser = commands.add_parser("export", help="print a run's figures as JSON, CSV or OpenMetrics")
    parser.add_argument("run", metavar="RUN", help="a run folder, a run id, or latest")
    parser.add_argument("--format", choices=("json", "csv", "openmetrics"), default="json", help="default: %(default)s")
    parser.add_argument("--to", type=Path, metavar="FILE", help="write there instead of printing")
    blocks.add_runs(parser)
    parser.set_defaults(command=lambda options: export(options.run, options.runs, options.format, options.to))


def add_list(commands: Commands) -> None:
    """Describe `rtlab list` to the parser."""
    parser = commands.add_parser("list", help="show the transports, the scenarios and the runs there are")
    blocks.add_runs(parser)
    parser.set_defaults(command=lambda options: show(options.runs))


def diff(a: str, b: str, runs_folder: Path, despite: Set[str] = frozenset()) -> int:
    """Print how run `b` differs from run `a`; return the exit code. RunError where they can't be compared."""
    from loadtests.records import store
    from loadtests.report import comparison

    folders = store.find(runs_folder, a), store.find(runs_folder, b)
    first, second = (store.load(folder) for folder in folders)

    accepted = comparison.require_comparable(first, second, despite)
    shown = comparison.between(*folders)
    print(f"A: {first.run_id}\nB: {second.run_id}\n")
    for difference in accepted:
        print(f"although {difference}")
    print(comparison.render_text(shown))
    return 0


def export(run: str, runs_folder: Path, form: str, to: Path | None) -> int:
    """Print a run's figures in the form `json`, `csv` or `openmetrics`, or write them to `to`; return the exit code."""
    from loadtests.records import store
    from loadtests.report import export as exports
    from loadtests.report.study import study

    folder = store.find(runs_folder, run)
    forms = {"json": exports.as_json, "csv": exports.as_csv, "openmetrics": exports.as_openmetrics}
    text = forms[form](study(folder))
    if to is None:
        sys.stdout.write(text)
    else:
        store.write_atomically(to, text.encode())
    return 0


def show(runs_folder: Path) -> int:
    """Print transports, adapters, scenarios and the runs in `runs_folder`; return the exit code."""
    from rich.console import Console
    from rich.table import Column, Table

    from loadtests.records import adapter as adapters
    from loadtests.run import replay as replays
    from loadtests.run import scenario as scenarios
    from loadtests.run.targets import TARGETS

    console = Console()
    if not console.is_terminal:
        console = Console(width=_UNCUT)  # a pipe has no width, and whoever reads it wants whole ids
    console.print(f"transports: {', '.join(target.name for target in TARGETS)}", highlight=False)
    console.print(f"adapters: {', '.join(adapters.FILES.named())}\n", highlight=False)
    known = Table("scenario", "what it shows", box=None, title="scenarios", title_justify="left")
    for name, path in scenarios.FILES.named().items():
        known.add_row(name, scenarios.FILES.read(path).about)
    known.add_row(blocks.MIDDLEBOXES, "Whether each transport passes unconfigured proxies, and the settings it needs.")
    known.add_row(blocks.STORM, "How long 2,000 clients take to be back after an instance is killed, or all restart.")
    console.print(known)
    published = Table("replay", "what others measured", box=None, title="replays", title_justify="left")
    for name in replays.FILES.named():
        published.add_row(name, replays.FILES.find(name).about)
    console.print(published)
    run_id = Column("run", no_wrap=True, overflow="fold")
    runs = Table(run_id, "scenario", "cells", "state", box=None, title="runs", title_justify="left")
    _add_runs(runs, runs_folder)
    console.print(runs if runs.row_count else f"no runs in {runs_folder} yet")
    return 0


def _add_runs(table: Table, runs_folder: Path) -> None:
    from loadtests.records import repeats, store
    from loadtests.records.errors import RunError

    for folder in store.listed(runs_folder):
        try:
            run = store.load(folder)
        except RunError as error:
            table.add_row(folder.name, "?", "?", str(error))
            continue
        state = "complete" if run.complete else "incomplete"
        table.add_row(folder.name, run.scenario, f"{repeats.done(run.cells)}/{run.planned_cells}", state)
