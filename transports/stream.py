"""What all streams have in common: the frames that they open with, and how they end.

A downstream HTTP transport is a `StreamFormat`; `downstream.stream_routes` makes its routes of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from core import wire
from core.errors import RoomError
from core.hub import Hub
from core.model import FrameKind, Position
from core.subscription import Subscription
from transports.guard import since_query


class StreamFrame(Protocol):
    """The framing of an HTTP stream."""

    def __call__(self, body: bytes, position: Position | None = None, kind: FrameKind = "notice", /) -> bytes:
        """The bytes for one body; see `core.subscription.Framing`."""
        ...


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How a downstream HTTP stream looks on the wire: all that its transport adds to what streams have in common."""

    transport: str  # its name
    path: str  # with `{room}` in it
    media_type: str  # with its charset, where it has one
    frame: StreamFrame
    heartbeat: bytes
    preamble: Callable[[], bytes] = bytes  # before the welcome
    farewell: Callable[[RoomError], bytes] | None = None  # None: the framed error
    since: Callable[[Request], Position | None] = since_query  # where the client was; raises BadRequest

    def last_words(self, reason: RoomError | None) -> bytes:
        """What the stream ends with: why, or nothing."""
        if reason is None:
            return b""
        return self.frame(wire.error(reason)) if self.farewell is None else self.farewell(reason)


def ndjson_line(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes:
    """One body a line: JSON escapes every line break."""
    return body + b"\n"


def opening(hub: Hub, subscription: Subscription) -> list[Any]:
    """The frames that every stream starts with: the welcome, then a resync where `since` could not be honoured."""
    start, lease, frame = subscription.start, subscription.lease, subscription.framing
    heartbeat_ms = round(hub.settings.heartbeat_s * 1000)
    welcome = wire.welcome(lease.room, lease.user_id, start.position, start.recovered, heartbeat_ms)
    frames = [frame(welcome, start.position, "notice")]
    if start.resync is not None:
        frames.append(frame(wire.resync(start.resync, start.position), start.position, "resync"))
    return frames


@asynccontextmanager
async def served(hub: Hub, subscription: Subscription, give_up: Callable[[], None]) -> AsyncIterator[None]:
    """Serve a subscriber while entered: `give_up` is called when it is cut; it is detached however this is left."""
    subscription.given_up = give_up
    try:
        yield
    finally:
        await hub.detach(subscription)
