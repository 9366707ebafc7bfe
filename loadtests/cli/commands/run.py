"""`rtlab run`: one scenario."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("run", help="measure one scenario")
    parser.add_argument("scenario", metavar="SCENARIO", help="a name (see rtlab list) or a TOML file")
    blocks.add_measuring(parser)
    blocks.add_foreign(parser)
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.evidence.compare import compare

    return compare(options.scenario, blocks.request(options))
