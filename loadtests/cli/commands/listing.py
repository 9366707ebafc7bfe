"""`rtlab list`: what there is to measure, and what was measured."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("list", help="show the transports, the scenarios and the runs there are")
    blocks.add_runs(parser)
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.cli.listing import show

    return show(options.runs)
