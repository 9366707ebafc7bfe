"""Downstream HTTP transports: their stream, direct where the connection allows it, and the upstream half."""

from __future__ import annotations

import asyncio
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from core.errors import RoomError
from core.hub import Hub
from core.subscription import Subscription
from core.writer import Turns
from transports.base import FastPath
from transports.caching import UNTOUCHED
from transports.guard import RequestGuard, get_route
from transports.heartbeat import Heartbeat
from transports.publish import upstream_routes
from transports.stream import StreamFormat, opening, served
from transports.uvicorn_edges.bounds import cut_off_later


def stream_routes(hub: Hub, wire_format: StreamFormat, fast: FastPath | None) -> list[BaseRoute]:
    """Serve a room's events as an endless response of this format."""
    guard = RequestGuard(hub)
    direct = None if fast is None else fast.streams(wire_format)
    streams = Streams(hub, wire_format)

    async def stream(request: Request) -> Response:
        principal, room = guard.enter(request)
        since = wire_format.since(request)
        response = None if direct is None else await direct(request, principal, room, since)
        if response is not None:
            return response
        subscription = await hub.attach(principal, room, wire_format.transport, wire_format.frame, since=since)
        return StreamResponse(streams, subscription)

    return [get_route(wire_format.path, stream), *upstream_routes(hub, guard, fast)]


class Streams:
    """What the portable streams of one app in one format share."""

    def __init__(self, hub: Hub, wire_format: StreamFormat) -> None:
        self.hub = hub
        self.wire_format = wire_format
        self.heartbeat = Heartbeat(hub.settings.heartbeat_s)
        self.turns = Turns()


class StreamResponse(EventSourceResponse):
    """The portable response of one subscriber; its membership ends with it, also before its first byte.

    sse-starlette's, which waits for the peer's disconnect beside the stream; but frames are sent where they come, and
    not handed to a task, heartbeats are one timer for all streams, and the hub's drain ends a stream.
    """

    def __init__(self, streams: Streams, subscription: Subscription) -> None:
        self.streams = streams
        self.subscription = subscription
        super().__init__(iter(()), headers=UNTOUCHED, media_type=streams.wire_format.media_type, ping=0)
        del self.headers["connection"]  # it says keep-alive: that is for the server to know
        del self._send_lock  # a kibibyte each, for pings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        self.send = send
        async with served(self.streams.hub, self.subscription, lambda: self.give_up(scope)):
            try:
                async with asyncio.TaskGroup() as tasks:
                    listening = tasks.create_task(self._listen(receive))
                    await self._stream_response(send)
                    listening.cancel()
            except* (ClientDisconnect, OSError):
                pass

    async def _listen(self, receive: Receive) -> None:
        await self._listen_for_disconnect(receive)
        raise ClientDisconnect

    async def _stream_response(self, send: Send) -> None:
        wire_format = self.streams.wire_format
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        ending: RoomError | None = None
        try:
            await self.say([b"".join((wire_format.preamble(), *opening(self.streams.hub, self.subscription)))])
            self.streams.heartbeat.add(self)
            await self.subscription.pour(self.say, self.streams.turns)
        except RoomError as reason:
            ending = reason
        finally:
            self.streams.heartbeat.discard(self)
        self.active = False
        await send({"type": "http.response.body", "body": wire_format.last_words(ending), "more_body": False})

    async def say(self, frames: list[Any]) -> None:
        """Send frames as one part of the body."""
        await self.send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})

    def beat(self) -> None:
        """Say that the stream lives, unless something waits to be said anyway."""
        if not len(self.subscription.outbox):
            heartbeat = self.streams.wire_format.heartbeat
            self.subscription.offer(heartbeat, len(heartbeat), 0)

    def give_up(self, scope: Scope) -> None:
        """End the connection of a subscriber that was cut, if it does not read."""
        cut_off_later(scope)
