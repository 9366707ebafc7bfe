"""Downstream `text/event-stream` (WHATWG HTML, section 9.2), upstream POST; by sse-starlette's response."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from core import wire
from core.errors import RoomError, ShuttingDown
from core.hub import Hub
from core.model import FrameKind, Position
from transports.app import create_app
from transports.base import FastPath
from transports.downstream import stream_routes
from transports.guard import since_query
from transports.lifespan import LazyApp
from transports.stream import StreamFormat

# What an EventSource waits before it reconnects, as long as the server is well. It adds no jitter of its own, and a
# server that is killed says nothing more: each stream has a time of its own from the start.
_RETRY_MS: Final = (500, 1500)


def frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes:
    """One event of the stream. The body is one line: JSON escapes every line break."""
    if position is None:
        return b"data: %b\n\n" % body
    return b"id: %b\ndata: %b\n\n" % (str(position).encode(), body)


def _farewell(reason: RoomError) -> bytes:
    """When to come back, or what went wrong."""
    if isinstance(reason, ShuttingDown):
        return b"retry: %d\n\n" % (reason.retry_after_ms or _RETRY_MS[1])
    return frame(wire.error(reason))


def _preamble() -> bytes:
    return b"retry: %d\n" % random.randint(*_RETRY_MS)


def _since(request: Request) -> Position | None:
    # A native EventSource repeats its URL when it reconnects: the header is the newer of the two.
    last_event_id = request.headers.get("last-event-id")
    return Position.parse(last_event_id) if last_event_id else since_query(request)


FORMAT: Final = StreamFormat(
    transport="sse",
    path="/rooms/{room}/events",
    media_type="text/event-stream; charset=utf-8",
    frame=frame,
    heartbeat=b":\n\n",
    preamble=_preamble,
    farewell=_farewell,
    since=_since,
)


class SseTransport:
    """Server-sent events."""

    def routes(self, hub: Hub, fast: FastPath | None = None) -> Sequence[BaseRoute]:
        """The stream, and the upstream half."""
        return stream_routes(hub, FORMAT, fast)


app = LazyApp(lambda: create_app("sse"))
