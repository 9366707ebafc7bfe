"""The commands that make a run: `compare`, `run`, `capacity`, `browser`, `replay`, `calibrate`.

`add_NAME` describes a command to the parser, `_NAME` runs it and returns its exit code.
"""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands

_WEAK_PERCENT = 2
_CALIBRATE_EXIT_CODES = """\
exit codes:
  0    done, and everything planted was found within what is stated
  1    it could not be done, or the lab believed a generator that was held back
  2    the command line is wrong
  4    something planted was not found: this machine can't, or was not left alone; with --weak-generator: the cell is
       invalid, as it must be; with --gates: it was too busy to decide on every gate
  130  stopped by Ctrl-C
"""


_REPLAY_EXIT_CODES = """\
exit codes:
  0    done, whatever the verdicts are
  1    it could not be done; standard error says why
  2    the command line is wrong
  130  stopped by Ctrl-C; what was replayed before is kept
"""


def add_compare(commands: Commands) -> None:
    """Describe `rtlab compare` to the parser."""
    parser = commands.add_parser("compare", help="measure the transports side by side and write a report")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="under a minute: one block, wide intervals")
    length.add_argument("--full", action="store_true", help="all blocks and sweeps: about 20 minutes")
    blocks.add_measuring(parser)
    parser.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> int:
    from loadtests.evidence.compare import compare

    name = "compare-quick" if options.quick else "compare-full" if options.full else "compare"
    return compare(name, blocks.request(options))


def add_run(commands: Commands) -> None:
    """Describe `rtlab run` to the parser."""
    parser = commands.add_parser("run", help="measure one scenario")
    parser.add_argument("scenario", metavar="SCENARIO", help="a name (see rtlab list) or a TOML file")
    blocks.add_measuring(parser)
    blocks.add_foreign(parser)
    parser.add_argument(
        "--full",
        action="store_true",
        help="middleboxes: with the boxes' own timeouts; 15 minutes. storm: all transports and kinds, three times",
    )
    parser.add_argument("--boxes", metavar="A,B", help="middleboxes: only these (default: all that are installed)")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    if options.scenario == blocks.MIDDLEBOXES:
        return _middleboxes(options)
    blocks.refuse(options, f"it belongs to rtlab run {blocks.MIDDLEBOXES}", "boxes")
    if options.scenario == blocks.STORM:
        return _storm(options)
    blocks.refuse(options, f"it belongs to rtlab run {blocks.MIDDLEBOXES} and {blocks.STORM}", "full")
    from loadtests.evidence.compare import compare

    return compare(options.scenario, blocks.request(options))


def _middleboxes(options: argparse.Namespace) -> int:
    why = f"rtlab run {blocks.MIDDLEBOXES} takes --transports, --boxes, --full and --out"
    unused = ("deflate", "tls", "link", "redis", "instances", "fail_if", "target", "adapter", "seed", "wide")
    blocks.refuse(options, why, *unused, *blocks.GENERATORS)
    from loadtests.evidence.middleboxes.command import Wanted, middleboxes

    boxes, transports = blocks.named(options.boxes), blocks.named(options.transports)
    return middleboxes(Wanted(options.out, full=options.full, transports=transports, boxes=boxes))


def _storm(options: argparse.Namespace) -> int:
    why = f"rtlab run {blocks.STORM} takes --transports, --redis, --full, --tls, --seed and --out"
    blocks.refuse(
        options, why, "deflate", "link", "instances", "fail_if", "target", "adapter", "wide", *blocks.GENERATORS
    )
    from loadtests.evidence.storm.command import Request, storm

    return storm(
        Request(options.out, options.full, options.transports, options.redis, seed=options.seed, tls=options.tls)
    )


def add_capacity(commands: Commands) -> None:
    """Describe `rtlab capacity` to the parser."""
    parser = commands.add_parser(
        "capacity", help="search the highest message rate (or subscribers, or rooms) that still meets an objective"
    )
    parser.add_argument(
        "scenario",
        metavar="SCENARIO",
        nargs="?",
        default="capacity",
        help="a name or a TOML file with one latency cell and a slo (default: %(default)s)",
    )
    parser.add_argument("--p99", type=float, metavar="MS", help="the objective's p99 (default: the scenario's)")
    parser.add_argument(
        "--over",
        choices=("rate", "subscribers", "rooms"),
        default="rate",
        help="what is raised: messages a second in each room, subscribers, or rooms with as many subscribers each",
    )
    parser.add_argument("--from", dest="lowest", type=float, metavar="N", help="default: 10; 50 subscribers; 1 room")
    parser.add_argument("--to", dest="highest", type=float, metavar="N", help="default: 5000; 20000; 1000")
    parser.add_argument(
        "--within", type=float, default=10.0, metavar="PERCENT", help="how narrow the bracket gets (%(default)g)"
    )
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="cells per transport at most (%(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M", help="begin no step later (%(default)g)")
    blocks.add_servers(parser)
    blocks.add_foreign(parser)
    parser.set_defaults(command=_capacity)


def _capacity(options: argparse.Namespace) -> int:
    from loadtests.evidence.capacity import USUAL, SearchRange
    from loadtests.evidence.compare import capacity

    lowest, highest = USUAL[options.over]
    searched = SearchRange(
        lowest if options.lowest is None else options.lowest,
        highest if options.highest is None else options.highest,
        options.within,
        options.steps,
        options.minutes,
        options.over,
    )
    return capacity(options.scenario, blocks.request(options), searched, options.p99)


def add_browser(commands: Commands) -> None:
    """Describe `rtlab browser` to the parser."""
    parser = commands.add_parser("browser", help="measure the race page's clients in the browsers installed here")
    parser.add_argument("--browsers", metavar="A,B", help="only these (default: chromium and firefox, if installed)")
    parser.add_argument("--quick", action="store_true", help="one block, short looks at tabs and floods")
    blocks.add_drawn(parser)
    parser.set_defaults(command=_browser)


def _browser(options: argparse.Namespace) -> int:
    from loadtests.evidence.browser.command import browser

    return browser(browsers=options.browsers, quick=options.quick, seed=options.seed, runs_folder=options.out)


def add_replay(commands: Commands) -> None:
    """Describe `rtlab replay` to the parser."""
    parser = commands.add_parser("replay", help="measure what others published, and put both figures side by side")
    parser.add_argument("name", metavar="NAME", help="a replay's name (see rtlab list), a TOML file, or all")
    blocks.add_drawn(parser)
    parser.epilog = _REPLAY_EXIT_CODES
    parser.set_defaults(command=_replay)


def _replay(options: argparse.Namespace) -> int:
    from loadtests.evidence.replays.command import replay

    return replay(options.name, seed=options.seed, runs_folder=options.out)


def add_calibrate(commands: Commands) -> None:
    """Describe `rtlab calibrate` to the parser."""
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
    part.add_argument(
        "--gates",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="FOLDER",
        help="instead: study by how much latencies move when reads, publications or the hub are late, or when another "
        "program takes the processor (about 8 minutes); with the FOLDER of a study that was stopped: go on with it",
    )
    parser.add_argument("--transports", metavar="A,B", help="only these (default: all; --gates: two pushes, two polls)")
    blocks.add_drawn(parser)
    parser.epilog = _CALIBRATE_EXIT_CODES
    parser.set_defaults(command=_calibrate)


def _calibrate(options: argparse.Namespace) -> int:
    from loadtests.evidence.calibration import command

    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    if options.gates is not None:
        folder = None if options.gates == Path() else options.gates
        return command.study_gates(folder, options.transports, seed, options.out)
    if options.aa is not None:
        return command.repeat_itself(options.aa, seed, options.out)
    if options.weak_generator is not None:
        return command.weaken(options.weak_generator, options.out)
    return command.calibrate(options.transports, options.out, quick=options.quick)
