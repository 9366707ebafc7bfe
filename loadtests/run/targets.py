"""The systems the lab can measure. A new transport is one line here (and one user class under `users/`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.records.adapters.adapter import LONGPOLL
from loadtests.records.cell_spec import FOREIGN_USER
from loadtests.records.errors import UsageError
from loadtests.run.foreign import Foreign


@dataclass(frozen=True, slots=True)
class Target:
    """One transport as the lab knows it: how to start it and who speaks it."""

    name: str  # registry name of the server, unless `server` says another
    user_class: str  # class in loadtests.locustfile
    pushes: bool  # one delivery per message; polls answer with batches by design
    on_a_grid: bool = False  # asks every `poll_interval_s`: the last message is heard up to that much later
    server: str = ""  # registry name of the server, where it is another
    arguments: tuple[str, ...] = ()  # what the server is told beside the common ones
    tls: bool = False
    foreign: Foreign | None = None  # a server that is not ours, and is running already

    @property
    def server_name(self) -> str:
        """The registry name of the server."""
        return self.server or self.name


TARGETS: tuple[Target, ...] = (
    Target("websocket", "WebSocketUser", pushes=True),
    Target("sse", "SseUser", pushes=True),
    Target("longpoll", "LongPollUser", pushes=False),
    Target("shortpoll", "ShortPollUser", pushes=False, on_a_grid=True),
    Target("socketio", "SocketIoUser", pushes=True),
    Target("h2push", "Http2PushUser", pushes=True, tls=True),
    Target("sse-h2", "Http2SseUser", pushes=True, server="sse", arguments=("--http2",), tls=True),
)

CLAIMS_MS: dict[str, float] = {"websocket": 0.0, "sse": 100.0, "longpoll": 500.0, "h2push": 0.0}
"""The guide's whole column, transports included that this lab does not serve (yet)."""


def target(name: str) -> Target:
    """Return the target called `name`; UsageError names those there are."""
    for candidate in TARGETS:
        if candidate.name == name:
            return candidate
    raise UsageError(f"unknown transport {name!r}; there are: {', '.join(t.name for t in TARGETS)}")


def select(names: Iterable[str]) -> tuple[Target, ...]:
    """Return the targets in the order asked for, each once; UsageError for unknown names or none at all."""
    chosen = tuple(dict.fromkeys(target(name.strip()) for name in names if name.strip()))
    if not chosen:
        raise UsageError(f"no transport chosen; there are: {', '.join(t.name for t in TARGETS)}")
    return chosen


def require_own_names(adapters: Sequence[str]) -> None:
    """Raise UsageError unless each adapter has a name of its own: cells and rows are known by it."""
    for name in adapters:
        if name in names():
            raise UsageError(f"the adapter {name} is named like a transport of the lab: give it another name")
        if adapters.count(name) > 1:
            raise UsageError(f"{adapters.count(name)} adapters are named {name}: give each a name of its own")


def of_foreign(foreign: Foreign) -> Target:
    """Return a foreign server as a target, named like its adapter."""
    pushes = foreign.adapter.protocol != LONGPOLL
    return Target(foreign.adapter.name, FOREIGN_USER, pushes=pushes, foreign=foreign)


def names() -> tuple[str, ...]:
    """Return the names of all targets."""
    return tuple(candidate.name for candidate in TARGETS)
