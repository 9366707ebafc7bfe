"""`rtlab browser`: the race page's clients in real browsers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("browser", help="measure the race page's clients in the browsers installed here")
    parser.add_argument("--browsers", metavar="A,B", help="only these (default: chromium and firefox, if installed)")
    parser.add_argument("--quick", action="store_true", help="one block, short looks at tabs and floods")
    blocks.add_drawn(parser)
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.evidence.browser.command import browser

    return browser(browsers=options.browsers, quick=options.quick, seed=options.seed, runs_folder=options.out)
