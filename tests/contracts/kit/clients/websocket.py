"""The room over `websockets` (asyncio)."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.contracts.kit.clients.base import DisconnectedError, Joined, RefusedError, RoomClient
from tests.contracts.kit.events import ContractViolationError, Event, Position
from tests.contracts.kit.limits import CLOSE_S, EVENT_S
from tests.contracts.kit.tls import tls_for


def close_code(error: ConnectionClosed) -> int:
    """The code of the server's Close frame; 1006 when the connection ended without one."""
    return error.rcvd.code if error.rcvd is not None else 1006


class WebSocketClient(RoomClient):
    def __init__(self, base_url: str, room: str, user_id: str, token: str) -> None:
        super().__init__(base_url, room, user_id, token)
        self._socket: ClientConnection | None = None
        self._replies: deque[Event] = deque()
        self._sent = 0

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None, "not connected"
        return self._socket

    async def open(self, **options: Any) -> None:
        """The handshake alone; `options` go to `websockets.connect`."""
        address = self.base_url.replace("http", "ws", 1) + f"/rooms/{self.room}/ws"
        options = {"proxy": None, "ssl": tls_for(address), "open_timeout": EVENT_S, "close_timeout": CLOSE_S} | options
        self._socket = await connect(address, **options)

    async def connect(self, since: object = None, **options: Any) -> Joined:
        await self.open(**options)
        hello = {"type": "hello", "token": self.token}
        await self.send_json(hello if since is None else hello | {"since": str(since)})
        welcome = await self.receive()
        if welcome.type == "error":
            raise RefusedError(welcome)
        return await self._take_welcome(welcome, since)

    async def send_json(self, command: Mapping[str, object]) -> None:
        await self.send(json.dumps(command))

    async def send(self, frame: str | bytes) -> None:
        try:
            await self.socket.send(frame)
        except ConnectionClosed as error:
            raise DisconnectedError(close_code(error)) from error

    async def receive(self, timeout_s: float = EVENT_S) -> Event:
        """The next frame, whatever its type."""
        try:
            async with asyncio.timeout(timeout_s):
                frame = await self.socket.recv()
        except ConnectionClosed as error:
            raise DisconnectedError(close_code(error)) from error
        if not isinstance(frame, str):
            raise ContractViolationError(f"a binary frame: {frame!r}")
        return self._decode(frame)

    async def reply(self, timeout_s: float = EVENT_S) -> Event:
        """The next `ack`, `pong` or `error`; room events that come first are kept for `next_event`."""
        if self._replies:
            return self._replies.popleft()
        while (event := await self.receive(timeout_s)).type not in {"ack", "pong", "error"}:
            self._ahead.append(event)
        return event

    async def publish(self, content: str, ref: str | None = None) -> Position:
        self._sent += 1
        ref = ref or f"ref-{self._sent}"
        await self.send_json({"type": "chat", "content": content, "ref": ref})
        reply = await self.reply()
        if reply.type == "error":
            raise RefusedError(reply)
        if reply.type != "ack" or reply.ref != ref:
            raise ContractViolationError(f"expected the ack of {ref}, got {reply}")
        return reply.id

    async def leave(self) -> None:
        await self.send_json({"type": "leave"})

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def abort(self) -> None:
        """Reset the TCP connection: no Close frame, nothing more is read."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def _receive(self, timeout_s: float) -> Event:
        while (event := await self.receive(timeout_s)).type in {"ack", "pong"}:
            self._replies.append(event)
        if event.type == "error":
            raise RefusedError(event)
        return event
