"""Option blocks that several commands share, and what they make of them. A block is written here once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadtests.evidence.compare import Request

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXIT_CODES = """\
exit codes:
  0    done, and every cell can be used (valid or doubtful)
  1    it could not be done; standard error says why
  2    the command line is wrong
  3    done, but a threshold (--fail-if, or the scenario's slo) is broken
  4    done, but at least one cell is invalid, also when measured again; the table says which and why.
       run storm: an event was lost or doubled, a gap announced, or a storm failed;
       run middleboxes: a cure did not work, or a transport did not pass with nothing in the way
  130  stopped by Ctrl-C; what was finished is kept and reported
"""

RUNS_FOLDER = Path("results") / "runs"


class _Once(argparse.Action):
    """An option that says what is measured: given twice, argparse would let the second replace the first in silence."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} is given twice; give it once")
        setattr(namespace, self.dest, values)


MIDDLEBOXES = "middleboxes"
STORM = "storm"
"""Runs that no scenario file describes."""

GENERATORS = ("server_cpu", "generators", "master_bind_host", "master_bind_port", "sync_clocks")
"""Options of runs whose servers may be held, and whose generator may be several Locust workers."""


def refuse(options: argparse.Namespace, why: str, *names: str) -> None:
    """Raise UsageError if one of these options was given."""
    from loadtests.records.errors import UsageError

    for name in names:
        if getattr(options, name, None) not in (None, False, []):
            raise UsageError(f"--{name.replace('_', '-')} is not allowed here: {why}")


def named(text: str | None) -> tuple[str, ...]:
    """Return the names of a list with commas."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def add_servers(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that measures servers; `request` reads them."""
    parser.add_argument(
        "--transports", action=_Once, metavar="A,B", help="only these (default: the scenario's, or all)"
    )
    parser.add_argument("--deflate", action="store_true", help="servers compress WebSocket messages")
    parser.add_argument("--tls", action="store_true", help="every server speaks https and wss")
    parser.add_argument(
        "--link",
        action=_Once,
        metavar="LINK",
        help="put every cell behind this link: rtt=50ms,jitter=5ms,loss=1%%,rate=10mbit, or a profile: lan, wifi, 4g, "
        "3g, transcontinental, satellite",
    )
    parser.add_argument(
        "--server-cpu",
        action=_Once,
        metavar="PERCENT",
        help="hold the lab's own servers to this share of a core (20%%), so that the limit is theirs",
    )
    parser.add_argument(
        "--generators",
        action=_Once,
        metavar="N[+M]",
        help="N Locust workers of this machine under one master, and M that come by locust --worker (default: 1)",
    )
    parser.add_argument(
        "--master-bind-host",
        action=_Once,
        metavar="HOST",
        help="with +M: this machine's address, by which they reach the master and the servers (default: 127.0.0.1)",
    )
    parser.add_argument("--master-bind-port", action=_Once, type=int, metavar="PORT", help="with +M (default: 5557)")
    parser.add_argument(
        "--sync-clocks",
        action="store_true",
        help="with +M: measure the offsets of their clocks, and so latencies from one machine to another",
    )
    parser.set_defaults(redis=None, instances=None, fail_if=[], target=[], adapter=[])
    add_wide(parser)
    add_drawn(parser)


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that measures a whole scenario: `add_servers`, scaling out, thresholds."""
    add_servers(parser)
    parser.add_argument(
        "--redis",
        action=_Once,
        metavar="URL",
        help="measure the busiest load also on several processes that share rooms there",
    )
    parser.add_argument("--instances", type=int, metavar="N", help="how many processes, 1 to 64 (default: 2)")
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="THRESHOLD",
        help="exit with 3 where it comes true: websocket.p99>20ms, sse@200x10.reach<100%%, *.lost>0; repeatable",
    )


def add_foreign(parser: argparse.ArgumentParser) -> None:
    """Add the options that name servers which are not ours."""
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="URL",
        help="measure the server that runs there, alone or beside --transports, by the one --adapter; several servers "
        "are named in their adapters' files",
    )
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="NAME",
        help="how to speak to a server that is not ours: an adapter of the lab (see rtlab list; nchan for all of "
        "nchan), or a TOML file, which also says where the server is or how to start it; repeatable",
    )


def request(options: argparse.Namespace) -> Request:
    """Return what the options of `add_servers` or `add_measuring` ask for."""
    from loadtests.evidence.compare import Request
    from loadtests.run import quota, workers

    return Request(
        transports=options.transports,
        seed=options.seed,
        runs_folder=options.out,
        deflate=options.deflate,
        tls=options.tls,
        redis_url=options.redis,
        instances=options.instances,
        link=options.link,
        fail_if=tuple(options.fail_if),
        target_urls=tuple(options.target),
        adapters=tuple(options.adapter),
        server_cpu_percent=None if options.server_cpu is None else quota.percent_of(options.server_cpu),
        workers=workers.asked(
            options.generators,
            options.master_bind_host,
            options.master_bind_port,
            sync_clocks=options.sync_clocks,
        ),
        wide=options.wide,
    )


def add_drawn(parser: argparse.ArgumentParser) -> None:
    """Add `--seed` and `--out`: the options of every command that makes a run."""
    parser.add_argument(
        "--seed", type=_seed, help="order and arrivals are drawn from it (default: a new one, recorded)"
    )
    parser.add_argument(
        "--out", type=Path, default=RUNS_FOLDER, metavar="DIR", help="where the run folder goes (%(default)s)"
    )
    parser.epilog = EXIT_CODES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def add_wide(parser: argparse.ArgumentParser) -> None:
    """Add `--wide`: the whole table."""
    parser.add_argument("--wide", action="store_true", help="print every column of the table, however wide it gets")


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add `--runs`: where a command looks runs up."""
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
