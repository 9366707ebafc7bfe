"""Duplex over one connection (RFC 6455). The first frame says hello and carries the token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import suppress
from types import CoroutineType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from core import wire
from core.errors import BadRequest, RoomError
from core.hub import Hub
from core.model import FrameKind, Position, Principal, RoomId, room_id
from core.subscription import Subscription
from core.writer import SENT
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

        async def refuse(request: Request) -> Response:
            room_id(request.path_params["room"])
            raise no_upgrade(request)

        path = "/rooms/{room}/ws"
        return [WebSocketRoute(path, _Endpoint(hub, fast)), get_route(path, refuse)]


class _Endpoint:
    """An ASGI app: what Starlette would wrap around a function costs each message something."""

    def __init__(self, hub: Hub, fast: FastPath | None) -> None:
        self._hub = hub
        self._fast = fast
        self._guard = RequestGuard(hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        room = await self._admitted(WebSocket(scope, receive, send))
        if room is None:
            return
        conversation = Conversation(self._hub, room)
        if self._fast is None or not self._fast.take_websocket(scope, conversation):
            with suppress(WebSocketDisconnect, OSError):  # the peer went; its membership has ended
                await _Connection(self._hub, scope, receive, send, conversation).run()

    async def _admitted(self, websocket: WebSocket) -> RoomId | None:
        try:
            room = self._guard.room(websocket)
        except RoomError as refusal:
            self._hub.stats.rejected[refusal.code] += 1
            await deny(websocket, refusal)
            return None
        try:
            await websocket.accept()
        except WebSocketDisconnect:
            return None
        return room


class _Connection:
    """The portable sink of one accepted WebSocket: the hello, then a task that reads beside the one that writes."""

    def __init__(self, hub: Hub, scope: Scope, receive: Receive, send: Send, conversation: Conversation) -> None:
        self._hub = hub
        self._scope = scope
        self._receive = receive
        self._send_message = send
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
            async with served(self._hub, subscription, lambda: cut_off_later(self._scope)):
                await self._serve(principal, subscription)

    async def _greet(self) -> tuple[Principal, Position | None]:
        while isinstance(greeting := self._conversation.greet(_text(await self._receive())), BadRequest):
            await self._send([frame(wire.error(greeting))])
        return greeting

    async def _serve(self, principal: Principal, subscription: Subscription) -> None:
        """Write until the end, or until the reader finds that the peer is gone: nothing can be written any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(principal, subscription))
                await self._write(subscription, reading)
        except* (WebSocketDisconnect, OSError):
            pass

    async def _read(self, principal: Principal, subscription: Subscription) -> None:
        while not subscription.ended:
            await self._conversation.command(principal, subscription, _text(await self._receive()))

    async def _write(self, subscription: Subscription, reading: asyncio.Task[None]) -> None:
        closing = 1000, ""
        try:
            await self._send(opening(self._hub, subscription))
            await subscription.pour(self._send)
        except RoomError as ending:
            closing = close_code(ending), close_reason(ending)
        reading.cancel()  # now: Granian tells who receives that it closes, and who reads would cancel the close
        await self._send_close(*closing)

    def _send(self, texts: Sequence[str]) -> Coroutine[Any, Any, None]:
        """What sends them: one text mostly, for which that does which the server's own `send` gives."""
        if len(texts) != 1:
            return self._send_all(texts)
        sending: Any = self._send_message({"type": "websocket.send", "text": texts[0]})
        return sending if sending is SENT or isinstance(sending, CoroutineType) else _awaited(sending)

    async def _send_all(self, texts: Sequence[str]) -> None:
        for text in texts:
            await self._send_message({"type": "websocket.send", "text": text})

    async def _close(self, reason: RoomError) -> None:
        await self._send([frame(wire.error(reason))])
        await self._send_close(close_code(reason), close_reason(reason))

    async def _send_close(self, code: int, reason: str = "") -> None:
        await self._send_message({"type": "websocket.close", "code": code, "reason": reason})


async def _awaited(sending: Awaitable[None]) -> None:
    await sending


def _text(message: Message) -> str | None:
    """What a message says; None when it is binary."""
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text: str | None = message.get("text")
    return text


app = LazyApp(lambda: create_app("websocket"))
