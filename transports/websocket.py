"""Duplex over one connection (RFC 6455). The first frame says hello and carries the token."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from core import wire
from core.errors import BadRequest, HelloTimeout, RateLimited, RoomError, Unauthorized
from core.hub import Hub
from core.model import Position, Principal, RoomId
from core.subscription import Subscription
from transports.app import create_app
from transports.base import TransportInfo
from transports.errors import close_code, http_response
from transports.session import Door

BAD_REQUESTS_IN_A_ROW: Final = 3
REFUSALS_IN_A_ROW: Final = 20


def frame(body: bytes, position: Position | None) -> str:
    """A text message; decoded once for all subscribers, since ASGI wants `str`."""
    return body.decode()


class WebSocketTransport:
    """WebSocket."""

    info = TransportInfo("websocket", "any ASGI server", duplex=True, resumes_by="hello.since")

    def routes(self, hub: Hub) -> Sequence[BaseRoute]:
        """The one endpoint."""
        door = Door(hub)

        async def endpoint(websocket: WebSocket) -> None:
            try:
                room = door.room(websocket)
            except RoomError as refusal:
                hub.stats.rejected[refusal.code] += 1
                await _deny(websocket, refusal)
                return
            await websocket.accept()
            with suppress(WebSocketDisconnect):  # the peer went; run() has cleaned up
                await _Connection(hub, websocket, room).run()

        return [WebSocketRoute("/rooms/{room}/ws", endpoint)]


class _Connection:
    """One accepted WebSocket: hello, then a reader and a writer until either ends."""

    def __init__(self, hub: Hub, websocket: WebSocket, room: RoomId) -> None:
        self._hub = hub
        self._websocket = websocket
        self._room = room
        self._bad_requests = 0
        self._refusals = 0

    async def run(self) -> None:
        try:
            async with asyncio.timeout(self._hub.settings.hello_s) as hello_in_time:
                principal, since = await self._greet()
            subscription = await self._hub.attach(principal, self._room, "websocket", frame, since=since)
        except TimeoutError:
            if not hello_in_time.expired():
                raise
            await self._close(HelloTimeout(f"no hello within {self._hub.settings.hello_s:g} s"))
        except RoomError as refusal:
            await self._close(refusal)
        else:
            try:
                await self._serve(principal, subscription)
            finally:
                await self._hub.detach(subscription)

    async def _greet(self) -> tuple[Principal, Position | None]:
        """Wait for a hello that can be honoured. Raises the RoomError that the connection is to be closed with."""
        while True:
            try:
                command = self._hub.ingress.command(await self._receive())
                if not isinstance(command, wire.Hello):
                    raise Unauthorized("the first message must be a hello with a token")
                since = wire.optional(command.since)
                position = None if since is None else Position.parse(since)
                return self._hub.admit(wire.optional(command.token), self._room), position
            except BadRequest as error:
                await self._send(wire.error(self._strike(error)))

    async def _serve(self, principal: Principal, subscription: Subscription) -> None:
        writing = asyncio.ensure_future(self._write(subscription))
        reading = asyncio.ensure_future(self._read(principal, subscription))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                return writing.result()
            # The reader returns when it has nothing more to read: the writer then flushes and says why. It raises
            # when the peer is gone: nothing can be written any more.
            reading.result()
            return await writing
        finally:
            writing.cancel()
            reading.cancel()

    async def _read(self, principal: Principal, subscription: Subscription) -> None:
        """Carry out commands until one ends the connection. Raises WebSocketDisconnect."""
        while not subscription.ended:
            try:
                reply = await self._hub.ingest(principal, self._room, await self._receive())
            except RoomError as error:
                self._hub.stats.rejected[error.code] += 1
                subscription.send_control(wire.error(error))
                fatal = self._fatal(error)
                if fatal is not None:
                    subscription.end(fatal)
                continue
            self._bad_requests = self._refusals = 0
            if reply is None:
                subscription.end()
            else:
                subscription.send_control(reply)

    async def _write(self, subscription: Subscription) -> None:
        start, lease = subscription.start, subscription.lease
        heartbeat_ms = round(self._hub.settings.heartbeat_s * 1000)
        await self._send(wire.welcome(lease.room, lease.user_id, start.position, start.recovered, heartbeat_ms))
        if start.resync is not None:
            await self._send(wire.resync(start.resync, start.position))
        try:
            while frames := await subscription.take():
                for text in frames:
                    await self._websocket.send({"type": "websocket.send", "text": text})
        except RoomError as ending:
            await self._websocket.close(close_code(ending), ending.message)
        else:
            await self._websocket.close(1000)

    def _fatal(self, error: RoomError) -> RoomError | None:
        """What a refusal ends the connection with: nothing, unless it goes on or can never get better."""
        if isinstance(error, RateLimited):
            self._refusals += 1
            return error if self._refusals >= REFUSALS_IN_A_ROW else None
        if isinstance(error, BadRequest):
            self._bad_requests += 1
            return error if self._bad_requests >= BAD_REQUESTS_IN_A_ROW else None
        # Away for now: the stream stays, the sender may try again.
        return None if error.code == "unavailable" else error

    def _strike(self, error: BadRequest) -> BadRequest:
        self._hub.stats.rejected[error.code] += 1
        if self._fatal(error) is not None:
            raise error
        return error

    async def _receive(self) -> bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text: str | None = message.get("text")
        if text is None:
            raise BadRequest("a binary frame: commands are text")
        return text.encode()

    async def _send(self, body: bytes) -> None:
        await self._websocket.send({"type": "websocket.send", "text": body.decode()})

    async def _close(self, reason: RoomError) -> None:
        self._hub.stats.rejected[reason.code] += 1
        await self._send(wire.error(reason))
        await self._websocket.close(close_code(reason), reason.message)


async def _deny(websocket: WebSocket, refusal: RoomError) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(http_response(refusal))
    else:
        await websocket.close()  # before accept: the server answers 403


def __getattr__(name: str) -> Any:
    if name == "app":
        return create_app("websocket")
    raise AttributeError(name)
