"""`rtlab report`: the table and the report of a run that was made before."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("report", help="print a run's table and write its report again")
    parser.add_argument("run", metavar="RUN", help="a run folder, a run id, or latest")
    blocks.add_runs(parser)
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.report.conclude import report

    return report(options.run, options.runs)
