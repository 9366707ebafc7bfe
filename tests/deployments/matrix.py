"""The matrix: which cells there are, what each has to do, and, in one place, which can't exist and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, get_args

from tests.deployments.exercise import TRANSPORTS
from tests.deployments.servers import SERVERS, Loop, Place, Server, Sink, granian, gunicorn, hypercorn, uvicorn

LOOPS: Final[tuple[Loop, ...]] = get_args(Loop)
SINKS: Final[tuple[Sink, ...]] = get_args(Sink)
REDIS: Final = "need RTLAB_REDIS_URL"

NOT_POSSIBLE: Final = {
    ("rtlab serve", "asyncio"): "it has no option for the loop and runs on uvloop where that is installed",
    ("hypercorn", "direct"): "the direct fan-out writes to uvicorn's sockets; elsewhere the portable one serves",
    ("granian", "direct"): "as for hypercorn",
    ("daphne", "direct"): "as for hypercorn",
    ("daphne", "uvloop"): "it runs on Twisted's reactor",
}
"""(server, loop or fan-out): why there is no such cell."""

NO_PINGS: Final = {("granian", "websocket")}
"""Where a silent connection gets no heartbeat, because the server can't ping and an ASGI app can't either."""

MISSED_EDGES: Final = {
    "hypercorn": {"WebSocket version 8"},
    "granian": {"no Host", "WebSocket version 8"},
}
"""Of `edges.EDGES`: where a server answers by itself, and otherwise. uvicorn's parser is ours."""

NO_LIFESPAN: Final = ("daphne",)
"""Servers that run no lifespan: every request is refused."""

DRAIN: Final = {
    "websocket": "closed with 1012",
    "sse": "ended with a hint",
    "longpoll": "shutting_down",
    "socketio": "closed, may come back",
}
"""How every server has to end the members of each transport before it exits with 0."""


KEEP_LISTENING: Final = ("uvicorn, 2 workers", "hypercorn", "hypercorn -w 2, Redis")
"""Servers that accept connections when they have told a member that they end; all others refuse them by then."""

STOP_LISTENING_SOON: Final = ("granian", "granian --workers 2, Redis", "gunicorn -w 2, Redis")
"""Of the others, servers that may first tell members: Granian drops what is unwritten once it has stopped listening,
and of gunicorn's workers, which share the socket, each stops for itself.
"""

UNSEEN_SOCKET: Final = ("uvicorn, Unix socket",)
"""Where what the test connects to is not the server's own socket."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One start of one server."""

    server: Server
    tls: bool
    loop: Loop
    sink: Sink
    app: str = "all"

    def __str__(self) -> str:
        return "-".join((self.server.name, "tls" if self.tls else "plain", self.loop, self.sink, self.app))

    @property
    def transports(self) -> tuple[str, ...]:
        return TRANSPORTS if self.app == "all" else (self.app,)

    @property
    def serves(self) -> bool:
        return self.server.name not in NO_LIFESPAN

    @property
    def possible(self) -> bool:
        return not any((self.server.name, value) in NOT_POSSIBLE for value in (self.loop, self.sink))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A start that must fail with a sentence; `exit_code` is what the server's own supervisor makes of it."""

    name: str
    command: Callable[[Place], list[str]]
    module: str
    exit_code: int
    environment: Mapping[str, str] = field(default_factory=dict)
    sentence: str = REDIS
    later: bool = False  # only at a SIGTTIN

    def __str__(self) -> str:
        return self.name


def cells() -> Iterator[Cell]:
    """Every cell that can exist: with all transports in one app, and each transport's own app once for each server."""
    for server in SERVERS.values():
        for tls in (False, True):
            yield from (cell for loop in LOOPS for sink in SINKS if (cell := Cell(server, tls, loop, sink)).possible)
        if server.name not in NO_LIFESPAN and not server.prefix:  # what is mounted is in the code that mounts it
            yield from (_plain(server, transport) for transport in TRANSPORTS)


def _plain(server: Server, app: str) -> Cell:
    return next(cell for loop in LOOPS for sink in SINKS if (cell := Cell(server, False, loop, sink, app)).possible)


def _bad_setting(name: str, module: str, command: Callable[[Place], list[str]], exit_code: int) -> Refusal:
    sentence = "RTLAB_RATE='many': a number from 0 to 1e+06 is allowed"
    return Refusal(f"{name}, bad setting", command, module, exit_code, {"RTLAB_RATE": "many"}, sentence)


_TWO: Final = {"WEB_CONCURRENCY": "2"}
_UVICORN_WORKERS: Final = SERVERS["uvicorn, 2 workers"].command

REFUSALS: Final = (
    Refusal("uvicorn --workers 2", _UVICORN_WORKERS, "uvicorn", 0),
    Refusal("uvicorn, WEB_CONCURRENCY=2", uvicorn, "uvicorn", 0, _TWO),
    Refusal("gunicorn -w 2", lambda place: gunicorn(place, "-w", "2"), "uvicorn_worker", 3),
    Refusal("gunicorn, SIGTTIN", gunicorn, "uvicorn_worker", 3, later=True),
    Refusal("hypercorn -w 2", lambda place: hypercorn(place, "-w", "2"), "hypercorn", 0),
    Refusal("granian --workers 2", lambda place: granian(place, "--workers", "2"), "granian", 1),
    _bad_setting("rtlab serve", "uvicorn", SERVERS["rtlab serve"].command, 2),
    _bad_setting("uvicorn", "uvicorn", uvicorn, 3),
    _bad_setting("gunicorn", "uvicorn_worker", gunicorn, 3),
    _bad_setting("hypercorn", "hypercorn", hypercorn, 0),
    _bad_setting("granian", "granian", granian, 1),
)

EDGED: Final = tuple(server for server in SERVERS.values() if server.name not in NO_LIFESPAN and server.workers == 1)

WITH_REDIS: Final = (
    Server("gunicorn -w 2, Redis", "", lambda place: gunicorn(place, "-w", "2"), "uvicorn_worker", 2),
    Server("hypercorn -w 2, Redis", "", lambda place: hypercorn(place, "-w", "2"), "hypercorn", 2),
    Server("granian --workers 2, Redis", "", lambda place: granian(place, "--workers", "2"), "granian", 2),
)
"""Further servers whose workers share rooms; uvicorn's are in the matrix."""

ONE_WORKER: Final = (
    Server("rtlab serve, WEB_CONCURRENCY=2", "", SERVERS["rtlab serve"].command, "uvicorn", environment=_TWO),
    Server(
        "uvicorn --reload, WEB_CONCURRENCY=2", "", lambda place: [*uvicorn(place), "--reload"], "uvicorn",
        environment=_TWO,
    ),
    Server("uvicorn --workers 1", "", lambda place: [*uvicorn(place), "--workers", "1"], "uvicorn"),
    Server("hypercorn -w 1", "", lambda place: hypercorn(place, "-w", "1"), "hypercorn"),
)  # fmt: skip
"""Starts that look as if there were several workers, and where there is one: they serve."""

WITHOUT_LIFESPAN: Final = (
    Server("uvicorn --lifespan off", "", lambda place: [*uvicorn(place), "--lifespan", "off"], "uvicorn"),
    Server("granian --interface asginl", "", lambda place: granian(place, "--interface", "asginl"), "granian"),
)
"""Ways not to run our lifespan, Daphne's apart."""

SHORT: Final = (
    "uvicorn, mounted-tls-uvloop-direct-all",
    "granian-plain-uvloop-portable-all",
    "daphne-plain-asyncio-portable-all",
    "uvicorn --workers 2",
)
"""What `make test` runs; the rest is for `make deployments`."""
