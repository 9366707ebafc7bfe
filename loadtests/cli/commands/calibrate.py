"""`rtlab calibrate`: does the lab find what is planted, does it refuse what it must."""

from __future__ import annotations

import argparse
import secrets
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands

_WEAK_PERCENT = 2
_EXIT_CODES = """\
exit codes:
  0    done, and everything planted was found within what is stated
  1    it could not be done, or the lab believed a generator that was held back
  2    the command line is wrong
  4    something planted was not found: this machine can't, or was not left alone; with --weak-generator: the cell is
       invalid, as it must be
  130  stopped by Ctrl-C
"""


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser(
        "calibrate", help="plant known faults and compare what the lab finds: is this machine fit to measure?"
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--quick", action="store_true", help="the form that precedes each comparison: a few seconds")
    part.add_argument(
        "--aa", type=int, metavar="N", help="instead: compare a transport with itself N times (20: about 6 minutes)"
    )
    part.add_argument(
        "--weak-generator",
        type=int,
        nargs="?",
        const=_WEAK_PERCENT,
        metavar="PERCENT",
        help="instead: measure with a generator held back to so much of a core (default: 2); the cell must be invalid, "
        "so the exit code is 4, and 1 if the lab believed it",
    )
    parser.add_argument("--transports", metavar="A,B", help="only these (default: all)")
    blocks.add_drawn(parser)
    parser.epilog = _EXIT_CODES
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.evidence.calibration import command

    if options.aa is not None:
        seed = secrets.randbelow(2**31) if options.seed is None else options.seed
        return command.repeat_itself(options.aa, seed, options.out)
    if options.weak_generator is not None:
        return command.weaken(options.weak_generator, options.out)
    return command.calibrate(options.transports, options.out, quick=options.quick)
