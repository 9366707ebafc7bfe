"""`rtlab advise`: which transport for a case, with figures, reasons and a price.

`add_advise` describes it to the parser; what it runs returns the exit code.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.cli import options as blocks

if TYPE_CHECKING:
    from loadtests.cli.options import Commands

_EPILOG = """\
A case can also be given in a few words: rtlab advise 5/s 300B both mobile nginx tls 4g
What is not given takes its default, which is printed. Figures come from results/reference unless --run names a run:
the newest run may hold one transport or one load only.

exit codes:
  0    there is advice
  1    a run or a file beside it cannot be read
  2    the case or the price file is wrong, or no model holds for the case
  4    --check: a figure lies outside of its tolerance, or its interval is too wide
"""


def add_advise(commands: Commands) -> None:
    """Describe `rtlab advise` to the parser."""
    parser = commands.add_parser("advise", help="say which transport is for a case, how many servers, at what price")
    parser.add_argument("words", metavar="WORD", nargs="*", help="a rate, a payload, a direction, a client, a proxy, …")
    given = (
        ("rate", "5/s", "messages of each room: 5/s, 30/min or 100/h"),
        ("payload", "300B", "of a message: 300B, 1kB, 4KiB"),
        ("subscribers", "N", "over all rooms"),
        ("rooms", "N", "how many"),
        ("direction", "WAY", "down: servers publish; both: subscribers too"),
        ("link", "LINK", "rtt=80ms,jitter=5ms,loss=1%%, or a profile: lan, wifi, 4g, …"),
        ("clients", "A,B", "browser, mobile, app"),
        ("proxy", "NAME", "before the servers: nginx, haproxy, caddy, apache, varnish, …, or none"),
        ("within", "TIME", "p99 that is soon enough: 200ms, 1s (default: what nobody sees to come later)"),
    )
    for name, metavar, words in given:
        parser.add_argument(f"--{name}", metavar=metavar, help=words)
    parser.add_argument("--tls", action="store_true", help="by https and wss")
    parser.add_argument("--price", metavar="FILE", help="a TOML file, or eu-small, us-medium, us-large, service-…")
    parser.add_argument("--run", metavar="RUN", help="a run folder, a run id, or latest (default: results/reference)")
    parser.add_argument("--extrapolate", action="store_true", help="go on where no model holds, and say so")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="write a page that answers any case, and nothing else"
    )
    parser.add_argument("--check", action="store_true", help="measure three cases of docs/advise.md, and compare")
    blocks.add_runs(parser)
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(command=_advise)


def _advise(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from loadtests.records import prices, store
    from loadtests.report.advise import advice, case, render, words
    from loadtests.report.verdicts.evidence import REFERENCE

    given = {name: value for name in case.OPTIONS if (value := getattr(options, name)) not in (None, False)}
    given = words.read(options.words, given)
    price = given.pop("price", None)
    asked = case.of_words(given)
    paid = prices.find(options.price or str(price or prices.DEFAULT))
    folder = store.find(options.runs, options.run) if options.run else REFERENCE
    found = advice.basis(folder)
    if options.html:
        from loadtests.report.advise import webpage

        store.write_atomically(options.html, webpage.render(found).encode())
        print(f"written: {options.html}")
        return 0
    if options.check:
        from loadtests.evidence.advice import check

        return check(found, options.runs)
    answer = advice.advise(asked, paid, found, datetime.now(UTC).date(), extrapolate=options.extrapolate)
    print(render.as_json(answer) if options.json else render.as_text(answer))
    return 0
