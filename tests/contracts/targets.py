"""What the parametrised suite runs over: each transport on its own server, and again on `all`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from core.catalogue import records, resolve
from tests.contracts.kit.clients import RoomClient
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign

RECORDS = {name: record for name, record in records().items() if record.proof.contract}
"""The whole catalogue: `tests/core/test_catalogue.py` refuses a record that names no client of this suite."""
TRANSPORTS = tuple(name for name, record in RECORDS.items() if not record.tls)
HTTP_TRANSPORTS = tuple(name for name in TRANSPORTS if not RECORDS[name].duplex)
STREAMS = tuple(name for name in HTTP_TRANSPORTS if RECORDS[name].pushes)
"""One response that does not end."""


@dataclass(frozen=True, slots=True)
class Target:
    """A transport, and the server it is reached on."""

    server: str
    transport: str

    def __str__(self) -> str:
        return self.transport if self.server == self.transport else f"{self.server}-{self.transport}"


HTTP2_TARGETS = tuple(Target(name, of.server.variant_of or name) for name, of in RECORDS.items() if of.tls)
"""Those that Hypercorn serves: what holds of uvicorn need not hold of another server."""
TARGETS = (
    *(Target(name, name) for name in TRANSPORTS),
    *(Target("all", name) for name in TRANSPORTS),
    *HTTP2_TARGETS,
)
HTTP_TARGETS = tuple(target for target in TARGETS if not RECORDS[target.transport].duplex)
EACH_APP = (Target("sse", "sse"), Target("all", "sse"), *HTTP2_TARGETS)
"""One transport's app, that of all, and HTTP/2: for paths that are the same function behind the same guard in each."""


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
    return client_of(transport)(server.base_url, room, user_id, token(user_id))


def client_of(transport: str) -> type[RoomClient]:
    """The class of the suite that speaks a transport."""
    made: type[RoomClient] = resolve(RECORDS[transport].proof.contract or "")
    return made


def downstream(transport: str, room: str = "{room}") -> str:
    """The path on which a transport's events come; a Socket.IO one that needs no upgrade."""
    path = RECORDS[transport].server.endpoint.replace("{room}", room)
    return f"{path}?EIO=4&transport=polling" if transport == "socketio" else path
