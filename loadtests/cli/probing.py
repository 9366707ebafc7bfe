"""`rtlab probe`: try an adapter out on its server, and say what to change."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadtests.cli.options import Commands

_LONGEST_WAIT_S = 3600.0
_EXIT_CODES = """\
exit codes:
  0    the message was received, once
  1    it was not; the last line says what to change
  2    the adapter or the command line is wrong
  130  stopped by Ctrl-C
"""


def add_probe(commands: Commands) -> None:
    """Describe `rtlab probe` to the parser."""
    parser = commands.add_parser(
        "probe",
        help="try an adapter out: join, publish one message, show each step, and say what to change",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("adapter", metavar="ADAPTER", help="a TOML file, or an adapter of the lab (see rtlab list)")
    parser.add_argument(
        "--target", action="append", default=[], metavar="URL", help="where its server runs, unless the file says it"
    )
    parser.add_argument(
        "--wait-s", type=_wait_s, default=10.0, metavar="S", help="for each answer (default: %(default)g)"
    )
    parser.set_defaults(command=lambda options: _probe(options.adapter, options.target, options.wait_s))


def _wait_s(text: str) -> float:
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = 0.0
    if not 0 < wait_s <= _LONGEST_WAIT_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait: more than 0 and at most {_LONGEST_WAIT_S:g} s")
    return wait_s


def _probe(name: str, targets: list[str], wait_s: float) -> int:
    from loadtests.run import foreign
    from loadtests.run.probe import Probe
    from loadtests.run.probe.serving import serving

    worked = True
    for server in foreign.selected(targets, [name]):
        with serving(server) as running:
            worked = Probe(running, lambda line: print(line, flush=True), wait_s).run() and worked
    return 0 if worked else 1
