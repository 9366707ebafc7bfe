"""Downstream HTTP/2 server push (RFC 9113, section 8.4), upstream POST. Chromium and Firefox refuse pushes.

The stream of `GET /rooms/{room}/push` says the `welcome`, errors and that the server lives; each event is promised on
it as `/rooms/{room}/pushed/{offset}` and is the body of that response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from core import wire
from core.errors import BadRequest, RoomError
from core.hub import Hub
from core.model import FrameKind, Position
from core.subscription import Subscription
from transports.app import create_app
from transports.caching import UNTOUCHED
from transports.http2.layer import PUSHER, with_http2
from transports.http2.pushing import Pusher, PushRefusedError
from transports.lifespan import LazyApp
from transports.publish import upstream_routes
from transports.session import Door, get_route, since_query
from transports.uvicorn_edges.bounds import cut_off_later


def frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> tuple[bytes, int | None]:
    """A body, and its offset if it is an event; what is none goes down the stream itself."""
    return body, None if position is None or kind == "resync" else position.offset


class PushTransport:
    """HTTP/2 server push."""

    def routes(self, hub: Hub) -> Sequence[BaseRoute]:
        """The stream that promises, and the upstream half."""
        door = Door(hub)

        async def push(request: Request) -> Response:
            principal, room = door.enter(request)
            since = since_query(request)
            pusher: Pusher | None = request.scope.get("extensions", {}).get(PUSHER)
            if pusher is None:
                raise BadRequest(f"server push needs HTTP/2; this is HTTP/{request.scope['http_version']}")
            if not pusher.accepted:
                raise BadRequest(pusher.refusal)
            pusher.direct = hub.settings.fanout == "direct"
            subscription = await hub.attach(principal, room, "h2push", frame, since=since)
            return _PushStream(hub, subscription, pusher)

        return [get_route("/rooms/{room}/push", push), *upstream_routes(hub, door)]


class _PushStream(Response):
    """The response of one subscriber; however it ends, the subscription ends with it."""

    media_type = "application/x-ndjson"

    def __init__(self, hub: Hub, subscription: Subscription, pusher: Pusher) -> None:
        super().__init__(headers=UNTOUCHED)
        del self.headers["content-length"]
        self._hub = hub
        self._subscription = subscription
        self._pusher = pusher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._subscription.given_up = lambda: self._give_up(scope)
        telling = asyncio.ensure_future(self._tell(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            telling.cancel()
            leaving.cancel()
            await self._hub.detach(self._subscription)
            await self._pusher.give_up()

    def _give_up(self, scope: Scope) -> None:
        self._ending = asyncio.ensure_future(self._pusher.give_up())
        cut_off_later(scope)

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._say(send, self._opening())
        try:
            await self._push_all(send)
        except RoomError as ending:
            await self._say(send, wire.error(ending))
        except PushRefusedError:
            await self._say(send, wire.error(BadRequest(self._pusher.refusal)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _push_all(self, send: Send) -> None:
        base = f"/rooms/{self._subscription.lease.room}/pushed/"
        while True:
            try:
                async with asyncio.timeout(self._hub.settings.heartbeat_s):
                    frames = await self._subscription.take()
            except TimeoutError:
                await self._say(send, b"")  # the heartbeat
                continue
            if not frames:
                return
            for body, offset in frames:
                if offset is None:
                    await self._say(send, body)
                else:
                    await self._pusher.push(f"{base}{offset}", body, send)

    def _opening(self) -> bytes:
        start, lease = self._subscription.start, self._subscription.lease
        heartbeat_ms = round(self._hub.settings.heartbeat_s * 1000)
        opening = wire.welcome(lease.room, lease.user_id, start.position, start.recovered, heartbeat_ms)
        return opening if start.resync is None else b"%b\n%b" % (opening, wire.resync(start.resync, start.position))

    async def _say(self, send: Send, line: bytes) -> None:
        """Say a line on the stream itself, and let nothing overtake it."""
        await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})
        await self._pusher.said()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


app = LazyApp(lambda: with_http2(create_app("h2push")))
