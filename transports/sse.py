"""Downstream `text/event-stream` (WHATWG HTML, section 9.2), upstream POST; by sse-starlette's response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from core import wire
from core.errors import RoomError, ShuttingDown
from core.hub import Hub
from core.model import FrameKind, Position
from core.subscription import Subscription
from transports.app import create_app
from transports.caching import UNTOUCHED
from transports.direct import direct_http
from transports.direct.event_stream import DirectEventStream, chunk
from transports.direct.heartbeat import Heartbeat
from transports.lifespan import LazyApp
from transports.publish import upstream_routes
from transports.session import Door, get_route, since_query
from transports.uvicorn_edges.bounds import cut_off_later

_RETRY_MS = 1000  # what an EventSource waits before it reconnects, as long as the server is well


def frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes:
    """One event of the stream. The body is one line: JSON escapes every line break."""
    if position is None:
        return b"data: %b\n\n" % body
    return b"id: %b\ndata: %b\n\n" % (str(position).encode(), body)


def _chunked(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes:
    return chunk(frame(body, position))


class SseTransport:
    """Server-sent events."""

    def routes(self, hub: Hub) -> Sequence[BaseRoute]:
        """The stream, and the upstream half."""
        door = Door(hub)

        heartbeat = Heartbeat(hub.settings.heartbeat_s)

        async def events(request: Request) -> Response:
            principal, room = door.enter(request)
            direct = direct_http(request.scope, hub.settings.fanout)
            framing = frame if direct is None else _chunked
            subscription = await hub.attach(principal, room, "sse", framing, since=_since(request))
            if direct is None:
                return _EventStream(hub, subscription)
            return DirectEventStream(hub, direct, heartbeat, subscription, _opening(hub, subscription), _farewell)

        return [get_route("/rooms/{room}/events", events), *upstream_routes(hub, door)]


def _since(request: Request) -> Position | None:
    # A native EventSource repeats its URL when it reconnects: the header is the newer of the two.
    last_event_id = request.headers.get("last-event-id")
    return Position.parse(last_event_id) if last_event_id else since_query(request)


class _EventStream(EventSourceResponse):
    """The response of one subscriber; however it ends, also before its first byte, the subscription ends with it."""

    def __init__(self, hub: Hub, subscription: Subscription) -> None:
        self._hub = hub
        self._subscription = subscription
        super().__init__(
            self._stream(),
            headers=UNTOUCHED,
            ping=hub.settings.heartbeat_s,
            ping_message_factory=lambda: ServerSentEvent(comment="", sep="\n"),
            sep="\n",
        )
        del self.headers["connection"]  # it says keep-alive: that is for the server to know

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._subscription.given_up = lambda: cut_off_later(scope)
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._hub.detach(self._subscription)

    async def _stream(self) -> AsyncIterator[bytes]:
        yield _opening(self._hub, self._subscription)
        try:
            while frames := await self._subscription.take():
                yield b"".join(frames)
        except RoomError as ending:
            yield _farewell(ending)


def _opening(hub: Hub, subscription: Subscription) -> bytes:
    start, lease = subscription.start, subscription.lease
    heartbeat_ms = round(hub.settings.heartbeat_s * 1000)
    welcome = wire.welcome(lease.room, lease.user_id, start.position, start.recovered, heartbeat_ms)
    opening = b"retry: %d\n%b" % (_RETRY_MS, frame(welcome, start.position))
    if start.resync is not None:
        opening += frame(wire.resync(start.resync, start.position), start.position)
    return opening


def _farewell(ending: RoomError | None) -> bytes:
    """The last words: when to come back, or what went wrong."""
    if ending is None:
        return b""
    if isinstance(ending, ShuttingDown):
        return b"retry: %d\n\n" % (ending.retry_after_ms or _RETRY_MS)
    return frame(wire.error(ending))


app = LazyApp(lambda: create_app("sse"))
