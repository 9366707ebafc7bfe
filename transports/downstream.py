"""Downstream HTTP transports: their stream, direct where the connection allows it, and the upstream half."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from core.errors import RoomError
from core.hub import Hub
from core.subscription import Subscription
from transports.base import FastPath
from transports.caching import UNTOUCHED
from transports.guard import RequestGuard, get_route
from transports.publish import upstream_routes
from transports.stream import StreamFormat, opening, served
from transports.uvicorn_edges.bounds import cut_off_later


def stream_routes(hub: Hub, wire_format: StreamFormat, fast: FastPath | None) -> list[BaseRoute]:
    """Serve a room's events as an endless response of this format."""
    guard = RequestGuard(hub)
    direct = None if fast is None else fast.streams(wire_format)

    async def stream(request: Request) -> Response:
        principal, room = guard.enter(request)
        since = wire_format.since(request)
        response = None if direct is None else await direct(request, principal, room, since)
        if response is not None:
            return response
        subscription = await hub.attach(principal, room, wire_format.transport, wire_format.frame, since=since)
        return StreamResponse(hub, subscription, wire_format)

    return [get_route(wire_format.path, stream), *upstream_routes(hub, guard, fast)]


class StreamResponse(EventSourceResponse):
    """The portable response of one subscriber; its membership ends with it, also before its first byte."""

    def __init__(self, hub: Hub, subscription: Subscription, wire_format: StreamFormat) -> None:
        self.hub = hub
        self.subscription = subscription
        self.wire_format = wire_format
        super().__init__(
            self.chunks(),
            headers=UNTOUCHED,
            media_type=wire_format.media_type,
            ping=hub.settings.heartbeat_s,
            ping_message_factory=lambda: wire_format.heartbeat,  # type: ignore[arg-type, return-value]  # as any content
        )
        del self.headers["connection"]  # it says keep-alive: that is for the server to know

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `EventSourceResponse`."""
        async with served(self.hub, self.subscription, lambda: self.give_up(scope)):
            await super().__call__(scope, receive, send)

    def give_up(self, scope: Scope) -> None:
        """End the connection of a subscriber that was cut, if it does not read."""
        cut_off_later(scope)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the stream's body: its opening, what comes, and why it ends."""
        yield self.wire_format.preamble + b"".join(opening(self.hub, self.subscription))
        try:
            async for data in self.live():
                yield data
        except RoomError as reason:
            yield self.wire_format.last_words(reason)

    async def live(self) -> AsyncIterator[bytes]:
        """Yield what comes. Raises the RoomError that the subscription ends with."""
        while frames := await self.subscription.take():
            yield b"".join(frames)
