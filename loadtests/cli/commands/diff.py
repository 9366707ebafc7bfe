"""`rtlab diff`: one run against another."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
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
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.cli.reading import diff

    return diff(options.a, options.b, options.runs, frozenset(options.despite))
