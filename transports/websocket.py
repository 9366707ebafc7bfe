"""Duplex over one connection (RFC 6455). The first frame says hello and carries the token."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from core import wire
from core.errors import BadRequest, RoomError
from core.hub import Hub
from core.model import FrameKind, Position, Principal, room_id
from core.subscription import Subscription
from transports.app import create_app
from transports.base import FastPath
from transports.conversation import Conversation
from transports.errors import close_code, close_reason, deny, no_upgrade
from transports.guard import RequestGuard, get_route
from transports.lifespan import LazyApp
from transports.stream import opening, served
from transports.uvicorn_edges.bounds import cut_off_later


def frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> str:
    """A text message; decoded once for all subscribers, since ASGI wants `str`."""
    return body.decode()


class WebSocketTransport:
    """WebSocket."""

    def routes(self, hub: Hub, fast: FastPath | None = None) -> Sequence[BaseRoute]:
        """The one endpoint."""
        guard = RequestGuard(hub)

        async def endpoint(websocket: WebSocket) -> None:
            try:
                room = guard.room(websocket)
            except RoomError as refusal:
                hub.stats.rejected[refusal.code] += 1
                await deny(websocket, refusal)
                return
            with suppress(WebSocketDisconnect):  # the peer went; its membership has ended
                await websocket.accept()
                conversation = Conversation(hub, room)
                if fast is None or not fast.take_websocket(websocket.scope, conversation):
                    await _Connection(hub, websocket, conversation).run()

        async def refuse(request: Request) -> Response:
            room_id(request.path_params["room"])
            raise no_upgrade(request)

        return [WebSocketRoute("/rooms/{room}/ws", endpoint), get_route("/rooms/{room}/ws", refuse)]


class _Connection:
    """The portable sink of one accepted WebSocket: the hello, then a reader and a writer until either ends."""

    def __init__(self, hub: Hub, websocket: WebSocket, conversation: Conversation) -> None:
        self._hub = hub
        self._websocket = websocket
        self._conversation = conversation

    async def run(self) -> None:
        try:
            async with asyncio.timeout(self._hub.settings.hello_s) as hello_in_time:
                principal, since = await self._greet()
            attaching = self._hub.attach(principal, self._conversation.room, "websocket", frame, since=since)
            subscription = await self._conversation.attached(attaching)
        except TimeoutError:
            if not hello_in_time.expired():
                raise
            await self._close(self._conversation.overdue())
        except RoomError as refusal:
            await self._close(refusal)
        else:
            async with served(self._hub, subscription, lambda: cut_off_later(self._websocket.scope)):
                await self._serve(principal, subscription)

    async def _greet(self) -> tuple[Principal, Position | None]:
        while isinstance(greeting := self._conversation.greet(await self._receive()), BadRequest):
            await self._send([frame(wire.error(greeting))])
        return greeting

    async def _serve(self, principal: Principal, subscription: Subscription) -> None:
        writing = asyncio.ensure_future(self._write(subscription))
        reading = asyncio.ensure_future(self._read(principal, subscription))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                # The reader returns when it has nothing more to read: the writer then flushes and says why. It raises
                # when the peer is gone: nothing can be written any more.
                reading.result()
                await asyncio.wait({writing})
            writing.result()
        finally:
            writing.cancel()
            reading.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)

    async def _read(self, principal: Principal, subscription: Subscription) -> None:
        while not subscription.ended:
            await self._conversation.command(principal, subscription, await self._receive())

    async def _write(self, subscription: Subscription) -> None:
        await self._send(opening(self._hub, subscription))
        try:
            while texts := await subscription.take():
                await self._send(texts)
        except RoomError as ending:
            await self._websocket.close(close_code(ending), close_reason(ending))
        else:
            await self._websocket.close(1000)

    async def _receive(self) -> str | None:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text: str | None = message.get("text")
        return text

    async def _send(self, texts: Sequence[str]) -> None:
        for text in texts:
            await self._websocket.send({"type": "websocket.send", "text": text})

    async def _close(self, reason: RoomError) -> None:
        await self._send([frame(wire.error(reason))])
        await self._websocket.close(close_code(reason), close_reason(reason))


app = LazyApp(lambda: create_app("websocket"))
