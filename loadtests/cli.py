"""`rtlab`: the command line. Parsing only; each command imports what it needs when it is called.

Exit codes: see EXIT_CODES, which `--help` prints.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

EXIT_CODES = """\
exit codes:
  0    done, and every cell can be used (valid or doubtful)
  1    it could not be done; standard error says why
  2    the command line is wrong
  4    done, but at least one cell is invalid, also when measured again; the table says which and why
  130  stopped by Ctrl-C; what was finished is kept and reported
"""

RUNS_FOLDER = Path("results") / "runs"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; argparse ends the process itself with 2 on a wrong command line."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # These belong to the servers' own command line: everything is passed through, their --help included.
    if arguments[:1] in (["serve"], ["token"], ["race"]):
        return _transports(arguments[1:] if arguments[0] == "serve" else arguments)
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    return _in_one_sentence(lambda: command(options))


def _in_one_sentence(command: Callable[[], int]) -> int:
    """Run `command`; turn the errors a person can do something about into one sentence on standard error."""
    from loadtests.lab.errors import LabError, UsageError
    from loadtests.runs.errors import RunError
    from loadtests.scenarios.errors import ScenarioError

    try:
        return command()
    except (UsageError, ScenarioError) as error:
        return _fail(error, 2)
    except (LabError, RunError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        print("rtlab: stopped by Ctrl-C", file=sys.stderr)
        return 130


def _fail(error: Exception, code: int) -> int:
    print(f"rtlab: {error}", file=sys.stderr)
    return code


def _transports(arguments: Sequence[str]) -> int:
    """Become `python -m transports …`: signals and the exit code are then the server's own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "transports", *arguments])  # noqa: S606


def _compare(options: argparse.Namespace) -> int:
    from loadtests.lab.compare import compare

    name = "compare-quick" if options.quick else "compare-full" if options.full else "compare"
    return compare(
        name,
        transports=options.transports,
        seed=options.seed,
        runs_folder=options.out,
        deflate=options.deflate,
        redis_url=options.redis,
        instances=options.instances,
    )


def _run(options: argparse.Namespace) -> int:
    from loadtests.lab.compare import compare

    return compare(
        options.scenario,
        transports=options.transports,
        seed=options.seed,
        runs_folder=options.out,
        deflate=options.deflate,
        redis_url=options.redis,
        instances=options.instances,
    )


def _browser(options: argparse.Namespace) -> int:
    from loadtests.browser.command import browser

    return browser(browsers=options.browsers, quick=options.quick, seed=options.seed, runs_folder=options.out)


def _report(options: argparse.Namespace) -> int:
    from loadtests.lab.compare import report

    return report(options.run, options.runs)


def _list(options: argparse.Namespace) -> int:
    from loadtests.lab.listing import show

    return show(options.runs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rtlab",
        description="Measure WebSocket, SSE and polling servers on this machine, and say how far to believe it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run one server: rtlab serve websocket --port 8001", add_help=False)
    commands.add_parser("token", help="print a token: rtlab token --user alice --room lobby", add_help=False)
    commands.add_parser("race", help="see the transports side by side in a browser", add_help=False)

    compare = commands.add_parser("compare", help="measure the transports side by side and write a report")
    length = compare.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="under a minute: one block, wide intervals")
    length.add_argument("--full", action="store_true", help="all blocks and sweeps: about 20 minutes")
    _add_measuring(compare)
    compare.set_defaults(command=_compare)

    run = commands.add_parser("run", help="measure one scenario")
    run.add_argument("scenario", metavar="SCENARIO", help="a name (see rtlab list) or a TOML file")
    _add_measuring(run)
    run.set_defaults(command=_run)

    browser = commands.add_parser("browser", help="measure the race page's clients in the browsers installed here")
    browser.add_argument("--browsers", metavar="A,B", help="only these (default: chromium and firefox, if installed)")
    browser.add_argument("--quick", action="store_true", help="one block, short looks at tabs and floods")
    _add_drawn(browser)
    browser.set_defaults(command=_browser)

    report = commands.add_parser("report", help="print a run's table and write its report again")
    report.add_argument("run", metavar="RUN", help="a run folder, a run id, or latest")
    _add_runs(report)
    report.set_defaults(command=_report)

    listing = commands.add_parser("list", help="show the transports, the scenarios and the runs there are")
    _add_runs(listing)
    listing.set_defaults(command=_list)
    return parser


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--transports", metavar="A,B", help="only these (default: the scenario's, or all)")
    parser.add_argument("--deflate", action="store_true", help="servers compress WebSocket messages")
    parser.add_argument(
        "--redis", metavar="URL", help="measure the busiest load also on several processes that share rooms there"
    )
    parser.add_argument("--instances", type=int, metavar="N", help="how many processes, 1 to 64 (default: 2)")
    _add_drawn(parser)


def _add_drawn(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=_seed, help="order and arrivals are drawn from it (default: a new one, recorded)"
    )
    parser.add_argument(
        "--out", type=Path, default=RUNS_FOLDER, metavar="DIR", help="where the run folder goes (%(default)s)"
    )
    parser.epilog = EXIT_CODES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs", type=Path, default=RUNS_FOLDER, metavar="DIR", help="where runs are kept (%(default)s)"
    )


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed: a whole number from 0 to {2**32 - 1}")
    return seed


if __name__ == "__main__":
    sys.exit(main())
