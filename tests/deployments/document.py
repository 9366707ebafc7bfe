"""docs/deployment.md: its generated table, and the code that its section on mounting shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtests.report.marked import filled
from tests.deployments.edges import EDGES
from tests.deployments.exercise import TRANSPORTS
from tests.deployments.matrix import DRAIN, LOOPS, MISSED_EDGES, NO_LIFESPAN, NO_PINGS, NOT_POSSIBLE, REFUSALS, SINKS
from tests.deployments.servers import SERVERS

ROOT: Final = Path(__file__).parents[2]
PATH: Final = ROOT / "docs" / "deployment.md"
LOCKS: Final = (ROOT / "requirements.lock", ROOT / "requirements-deployments.lock")
_BEGIN: Final = "<!-- Written by `make deployments`. -->"
_END: Final = "<!-- End of what `make deployments` writes. -->"
_PACKAGES: Final = ("uvicorn", "uvicorn-worker", "gunicorn", "hypercorn", "granian", "daphne")


def mounting_code() -> str:
    """The module that mounts our app, as the document shows it."""
    (code,) = re.findall(r"```python\n# mounted\.py\n(.*?)```", PATH.read_text(), re.DOTALL)
    return str(code)


def with_table(text: str) -> str:
    """The document with the table as the matrix defines it now."""
    return filled(PATH.name, text, _BEGIN, table(), _END)


def table() -> str:
    """What holds at each server, what is refused, and what can't be."""
    return "\n".join([*_servers(), "", *_refusals(), "", *_impossible(), "", *_versions()])


def _servers() -> Iterator[str]:
    yield "| server | " + " | ".join(TRANSPORTS) + " | TLS | event loop | fan-out | HTTP edges | drain on SIGTERM |"
    yield "|---|" + "---|" * (len(TRANSPORTS) + 5)
    for server in SERVERS.values():
        if server.name in NO_LIFESPAN:
            cells = ["refused"] * len(TRANSPORTS) + ["as plain"]
            edges, drain = "not asked", "nothing to drain"
        else:
            cells = ["no pings" if (server.name, each) in NO_PINGS else "yes" for each in TRANSPORTS] + ["yes"]
            missed = sorted(MISSED_EDGES.get(server.name, ()))
            edges = f"all but: {', '.join(missed)}" if missed else "all"
            drain = "yes, exit code 0"
        loops = ", ".join(loop for loop in LOOPS if (server.name, loop) not in NOT_POSSIBLE)
        sinks = ", ".join(sink for sink in SINKS if (server.name, sink) not in NOT_POSSIBLE)
        yield f"| {server.name}: `{server.shown}` | " + " | ".join([*cells, loops, sinks, edges, drain]) + " |"
    yield ""
    yield "*Yes*: 20 messages are received at once and in order, a silent connection gets a heartbeat,"
    yield "a resume loses nothing."
    yield "At the end, " + "; ".join(f"{transport}: {end}" for transport, end in DRAIN.items()) + "."
    yield f"HTTP edges, as [protocol.md](protocol.md) has them: {', '.join(EDGES)}."


def _refusals() -> Iterator[str]:
    yield "| a start that is refused | exit code |"
    yield "|---|---|"
    yield from (f"| {refusal.name} | {refusal.exit_code} |" for refusal in REFUSALS)


def _impossible() -> Iterator[str]:
    yield "| not possible | why |"
    yield "|---|---|"
    yield from (f"| {server}, {value} | {reason} |" for (server, value), reason in NOT_POSSIBLE.items())


def _versions() -> Iterator[str]:
    pinned = dict(re.findall(r"^([a-z-]+)==(\S+)", "\n".join(lock.read_text() for lock in LOCKS), re.MULTILINE))
    yield "Checked with " + ", ".join(f"{name} {pinned[name]}" for name in _PACKAGES) + "."
