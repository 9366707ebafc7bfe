"""`rtlab compare`: the transports side by side."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("compare", help="measure the transports side by side and write a report")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="under a minute: one block, wide intervals")
    length.add_argument("--full", action="store_true", help="all blocks and sweeps: about 20 minutes")
    blocks.add_measuring(parser)
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.evidence.compare import compare

    name = "compare-quick" if options.quick else "compare-full" if options.full else "compare"
    return compare(name, blocks.request(options))
