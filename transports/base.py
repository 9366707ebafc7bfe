"""What a transport is, and what it may ask of a faster way to write than ASGI's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from core.hub import Hub
from core.model import Position, Principal, RoomId
from transports.conversation import Conversation
from transports.stream import StreamFormat
from transports.uvicorn_edges.protocols import LabHttpProtocol
from transports.uvicorn_edges.websocket import LabWebSocketProtocol

Protocols = tuple[type[LabHttpProtocol], type[LabWebSocketProtocol]]
"""What uvicorn is given to serve HTTP and WebSocket."""

EDGES: Final[Protocols] = LabHttpProtocol, LabWebSocketProtocol
"""For plain ASGI."""

Publish = Callable[[RoomId, bytes], Awaitable[bytes]]
"""Publishes a body, and gives that of the answer; raises RoomError."""

Accepted = Callable[[bytes], Response]
"""Answers a POST with a body; the rest of the answer is the same for all of one size."""

Respond = Callable[[bytes, Position, bool], Response]
"""Makes a poll's answer: bodies joined by commas, the position after the last, and whether history was continued."""


RespondStream = Callable[[Request, Principal, RoomId, Position | None], Awaitable[Response | None]]
"""Attaches a subscriber and answers its GET; None where the connection can't be had, and nothing was done."""

AnswerPoll = Callable[[Request, Principal, RoomId, Position | None, float], Awaitable[Response | None]]
"""Holds a poll for so many seconds at most, and answers it; None where the connection can't be had."""


class FastPath(Protocol):
    """A way to write that is faster than ASGI's; each method declines where it can't serve a connection."""

    @property
    def protocols(self) -> Protocols:
        """What uvicorn has to run for it."""
        ...

    @property
    def writes(self) -> str:
        """How it writes: `io_uring` or `write`."""
        ...

    def serves(self, scope: Scope) -> bool:
        """Whether it can serve the connection of an HTTP request."""
        ...

    def streams(self, wire_format: StreamFormat) -> RespondStream:
        """What answers with endless responses of this format."""
        ...

    def polls(self, transport: str, respond: Respond) -> AnswerPoll:
        """What holds polls, and answers them."""
        ...

    def take_websocket(self, scope: Scope, conversation: Conversation) -> bool:
        """Serve an accepted WebSocket from now on. Returns False where that can't be done."""
        ...

    def expect_posts(self, request: Request, publish: Publish, accepted: Accepted) -> BackgroundTask | None:
        """What to do behind the response to a POST, so that the next ones on its connection go to `publish`."""
        ...


class Transport(Protocol):
    """One way to bring a room's events to a client. Its record in the catalogue says the rest about it."""

    def routes(self, hub: Hub, fast: FastPath | None = None) -> Sequence[BaseRoute]:
        """The routes that are its own; `app` adds those that all have."""
        ...
