"""`rtlab capacity`: how much a load's rate can grow before its objective is missed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands


def add(commands: Commands) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("capacity", help="search the highest message rate that still meets an objective")
    parser.add_argument(
        "scenario",
        metavar="SCENARIO",
        nargs="?",
        default="capacity",
        help="a name or a TOML file with one latency cell and a slo (default: %(default)s)",
    )
    parser.add_argument("--p99", type=float, metavar="MS", help="the objective's p99 (default: the scenario's)")
    parser.add_argument("--from", dest="lowest", type=float, default=10.0, metavar="RATE", help="default: %(default)g")
    parser.add_argument("--to", dest="highest", type=float, default=5000.0, metavar="RATE", help="default: %(default)g")
    parser.add_argument(
        "--within", type=float, default=10.0, metavar="PERCENT", help="how narrow the bracket gets (%(default)g)"
    )
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="cells per transport at most (%(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M", help="begin no step later (%(default)g)")
    blocks.add_servers(parser)
    blocks.add_foreign(parser)
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    from loadtests.evidence.capacity import Bounds
    from loadtests.evidence.compare import capacity

    bounds = Bounds(options.lowest, options.highest, options.within, options.steps, options.minutes)
    return capacity(options.scenario, blocks.request(options), bounds, options.p99)
