"""Downstream HTTP/2 server push (RFC 9113, section 8.4), upstream POST. Chromium and Firefox refuse pushes.

The stream of `GET /rooms/{room}/push` says the `welcome`, errors and that the server lives; each event is promised on
it as `/rooms/{room}/pushed/{offset}` and is the body of that response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from core.errors import BadRequest
from core.hub import Hub
from core.model import FrameKind, Position
from core.subscription import Subscription
from transports.app import create_app
from transports.base import FastPath
from transports.downstream import StreamResponse, Streams
from transports.guard import RequestGuard, get_route, since_query
from transports.http2.layer import PUSHER, with_http2
from transports.http2.pushing import Pusher, PushRefusedError
from transports.lifespan import LazyApp
from transports.publish import upstream_routes
from transports.stream import StreamFormat, ndjson_line


def frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes | tuple[int, bytes]:
    """An event's offset and body, which is promised; else a line."""
    return ndjson_line(body) if position is None or kind in ("notice", "resync") else (position.offset, body)


FORMAT: Final = StreamFormat("h2push", "/rooms/{room}/push", "application/x-ndjson", ndjson_line, heartbeat=b"\n")
"""Of the stream that promises."""


class PushTransport:
    """HTTP/2 server push."""

    def routes(self, hub: Hub, fast: FastPath | None = None) -> Sequence[BaseRoute]:
        """The stream that promises, and the upstream half."""
        guard = RequestGuard(hub)
        streams = Streams(hub, FORMAT)

        async def push(request: Request) -> Response:
            principal, room = guard.enter(request)
            since = since_query(request)
            pusher: Pusher | None = request.scope.get("extensions", {}).get(PUSHER)
            if pusher is None:
                raise BadRequest(f"server push needs HTTP/2; this is HTTP/{request.scope['http_version']}")
            if not pusher.accepted:
                raise BadRequest(pusher.refusal)
            pusher.direct = hub.settings.fanout == "direct"
            subscription = await hub.attach(principal, room, FORMAT.transport, frame, since=since)
            return _PushStream(streams, subscription, pusher)

        return [get_route(FORMAT.path, push), *upstream_routes(hub, guard, fast)]


class _PushStream(StreamResponse):
    """Promises events, and says the rest on the stream itself, where nothing may overtake it."""

    def __init__(self, streams: Streams, subscription: Subscription, pusher: Pusher) -> None:
        super().__init__(streams, subscription)
        self._pusher = pusher
        self._base = f"/rooms/{subscription.lease.room}/pushed/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pusher.give_up()

    async def say(self, frames: list[Any]) -> None:
        for each in frames:
            if isinstance(each, bytes):
                await super().say([each])
                await self._pusher.said()
                continue
            offset, body = each
            try:
                await self._pusher.push(f"{self._base}{offset}", body, self.send)
            except PushRefusedError:
                raise BadRequest(self._pusher.refusal) from None

    def give_up(self, scope: Scope) -> None:
        self._ending = asyncio.ensure_future(self._pusher.give_up())
        super().give_up(scope)


app = LazyApp(lambda: with_http2(create_app("h2push")))
