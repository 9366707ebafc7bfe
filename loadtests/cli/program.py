"""From the words on the command line to an exit code.

Exit codes: see EXIT_CODES, which `--help` prints.
"""

from __future__ import annotations

import argparse
import codecs
import importlib.metadata
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from core import catalogue
from loadtests.cli import advising, measuring, probing, reading
from loadtests.cli.options import EXIT_CODES

_COMMANDS: Final = (
    measuring.add_compare,
    measuring.add_run,
    measuring.add_capacity,
    measuring.add_browser,
    measuring.add_replay,
    measuring.add_calibrate,
    probing.add_probe,
    reading.add_report,
    reading.add_diff,
    reading.add_export,
    reading.add_list,
    advising.add_advise,
)
# These belong to the servers' own command line: everything is passed through, their --help included.
_PASSED_ON = {
    "serve": "run one server: rtlab serve websocket --port 8001",
    "token": "print a token: rtlab token --user alice --room lobby",
    "race": "see the transports side by side in a browser",
    "proxy": "run the built-in proxy before a server: rtlab proxy --upstream 8001 --hold-bytes 65536",
}
_ERROR_HANDLER: Final = "rtlab-stand-ins"
_STAND_INS: Final = dict(zip("●◐○✕\u2013—µ≥≤", ("*", "~", "o", "x", "-", "-", "u", ">=", "<="), strict=True)) | {
    "…": "..."
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; argparse ends the process itself with 2 on a wrong command line."""
    _print_in_any_encoding()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        catalogue.records()
    except catalogue.CatalogueError as error:
        return _fail(error, 2)
    if arguments[:1] and arguments[0] in _PASSED_ON:
        return _transports(arguments[1:] if arguments[0] == "serve" else arguments)
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    return _in_one_sentence(lambda: command(options))


def _in_one_sentence(command: Callable[[], int]) -> int:
    """Run `command`; turn the errors a person can do something about into one sentence on standard error."""
    from loadtests.records.errors import LabError, PriceError, RunError, ScenarioError, UsageError

    try:
        return command()
    except (UsageError, ScenarioError, PriceError) as error:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rtlab",
        description="Measure WebSocket, SSE and polling servers on this machine, and say how far to believe it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, purpose in _PASSED_ON.items():
        commands.add_parser(name, help=purpose, add_help=False)
    for add in _COMMANDS:
        add(commands)
    return parser


def _version() -> str:
    """The version of the installed package; pyproject.toml is its one source."""
    try:
        return importlib.metadata.version("rtlab")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that nobody installed
        return "of an uninstalled checkout"


def _print_in_any_encoding() -> None:
    """Let standard output and error write a stand-in for what their encoding lacks: `*` for a valid mark, else `?`."""
    codecs.register_error(_ERROR_HANDLER, _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a caller's own stand-in decides for itself
            stream.reconfigure(errors=_ERROR_HANDLER)


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_STAND_INS.get(each, "?") for each in error.object[error.start : error.end]), error.end
