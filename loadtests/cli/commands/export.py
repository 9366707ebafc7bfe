"""`rtlab export`: a run's figures for other tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("export", help="print a run's figures as JSON, CSV or OpenMetrics")
    parser.add_argument("run", metavar="RUN", help="a run folder, a run id, or latest")
    parser.add_argument("--format", choices=("json", "csv", "openmetrics"), default="json", help="default: %(default)s")
    parser.add_argument("--to", type=Path, metavar="FILE", help="write there instead of printing")
    blocks.add_runs(parser)
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.cli.reading import export

    return export(options.run, options.runs, options.format, options.to)
