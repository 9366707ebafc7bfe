"""What the parametrised suite runs over: each transport on its own server, and again on `all`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from tests.contracts.kit.clients import CLIENTS, RoomClient
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign

TRANSPORTS = ("websocket", "sse", "longpoll", "shortpoll", "socketio")
HTTP_TRANSPORTS = ("sse", "longpoll", "shortpoll")


@dataclass(frozen=True, slots=True)
class Target:
    """A transport, and the server it is reached on."""

    server: str
    transport: str

    def __str__(self) -> str:
        return self.transport if self.server == self.transport else f"{self.server}-{self.transport}"


HTTP2_TARGETS = (Target("h2push", "h2push"), Target("sse-h2", "sse"))
"""Those that Hypercorn serves: what holds of uvicorn need not hold of another server."""
TARGETS = (
    *(Target(name, name) for name in TRANSPORTS),
    *(Target("all", name) for name in TRANSPORTS),
    *HTTP2_TARGETS,
)
HTTP_TARGETS = tuple(target for target in TARGETS if target.transport in (*HTTP_TRANSPORTS, "h2push"))


TokenOf = Callable[[str], str]
"""A token for a user id; `sign` makes a good one."""


class Connect(Protocol):
    """Makes clients that are closed at the end of the test; unconnected with `join=False`."""

    def __call__(
        self,
        user: str = ...,
        *,
        since: object = ...,
        transport: str | None = ...,
        room: str | None = ...,
        token: TokenOf = ...,
        server: ServerProcess | None = ...,
        join: bool = ...,
    ) -> Awaitable[RoomClient]: ...


def unique(prefix: str) -> str:
    """A room or user name no other test of this session has: servers and rate limits are shared."""
    return f"{prefix}-{uuid4().hex[:10]}"


def make_client(server: ServerProcess, transport: str, room: str, user_id: str, token: TokenOf = sign) -> RoomClient:
    return CLIENTS[transport](server.base_url, room, user_id, token(user_id))
