"""The room over Socket.IO: its packets by hand on `websockets`, so that what is on the wire is held.

`tests/clients_real` points the libraries of others at it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.contracts.kit.clients.base import DisconnectedError, Joined, RefusedError, RoomClient
from tests.contracts.kit.clients.websocket import close_code
from tests.contracts.kit.events import ContractViolationError, Event, Position
from tests.contracts.kit.limits import CLOSE_S, EVENT_S
from tests.contracts.kit.tls import tls_for

_QUERY = {"EIO": "4", "transport": "websocket"}


class SocketIoClient(RoomClient):
    """Packets by their first characters: 0 open, 2 ping, 40 connected, 41 disconnect, 42 event, 43 ack, 44 refused."""

    def __init__(self, base_url: str, room: str, user_id: str, token: str) -> None:
        super().__init__(base_url, room, user_id, token)
        self._socket: ClientConnection | None = None
        self._answers: deque[tuple[int, Event]] = deque()
        self._emitted = 0
        self.disconnected = False  # the server said that we are to stay away

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None, "not connected"
        return self._socket

    async def open(self, **options: Any) -> dict[str, Any]:
        """The WebSocket and the engine's opening; `options` go to `websockets.connect`."""
        address = f"{self.base_url.replace('http', 'ws', 1)}/socket.io/?{urlencode(_QUERY)}"
        options = {"proxy": None, "ssl": tls_for(address), "open_timeout": EVENT_S, "close_timeout": CLOSE_S} | options
        self._socket = await connect(address, **options)
        opening = await self._packet(EVENT_S)
        if not opening.startswith("0"):
            raise ContractViolationError(f"expected the engine to open, got {opening!r}")
        handshake: dict[str, Any] = json.loads(opening[1:])
        return handshake

    async def connect(self, since: object = None) -> Joined:
        await self.open()
        auth = {"token": self.token, "room": self.room}
        await self.send("40" + json.dumps(auth if since is None else auth | {"since": str(since)}))
        answer = await self._packet(EVENT_S)
        if answer.startswith("44"):
            raise RefusedError(self._decode(json.dumps(json.loads(answer[2:])["data"])))
        if not answer.startswith("40"):
            raise ContractViolationError(f"expected the namespace, got {answer!r}")
        welcome = await self._event(EVENT_S)
        return await self._take_welcome(welcome, since)

    async def send(self, packet: str | bytes) -> None:
        try:
            await self.socket.send(packet)
        except ConnectionClosed as error:
            raise DisconnectedError(close_code(error)) from error

    async def emit(self, arguments: str) -> int:
        """Emit the event whose array this is, wanting an answer; the number that the answer will carry."""
        self._emitted += 1
        await self.send(f"42{self._emitted}{arguments}")
        return self._emitted

    async def answer(self, number: int) -> Event:
        """What the callback of an emitted event gets; room events that come first are kept for `next_event`."""
        while not self._answers:
            event = await self._step(EVENT_S)
            if event is not None:
                self._ahead.append(event)
        got, answer = self._answers.popleft()
        if got != number:
            raise ContractViolationError(f"the answer to {got} came before that to {number}")
        return answer

    async def publish(self, content: str, ref: str | None = None) -> Position:
        ref = ref or f"ref-{self._emitted + 1}"
        reply = await self.answer(await self.emit(json.dumps(["chat", {"content": content, "ref": ref}])))
        if reply.type == "error":
            raise RefusedError(reply)
        if reply.type != "ack" or reply.ref != ref:
            raise ContractViolationError(f"expected the ack of {ref}, got {reply}")
        return reply.id

    async def leave(self) -> None:
        await self.send("41")

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def _receive(self, timeout_s: float) -> Event:
        event = await self._event(timeout_s)
        if event.type == "error":
            raise RefusedError(event)
        return event

    async def _event(self, timeout_s: float) -> Event:
        async with asyncio.timeout(timeout_s):
            while (event := await self._step(timeout_s)) is None:
                pass
        return event

    async def _step(self, timeout_s: float) -> Event | None:
        """Take one packet; the event in it, if it is one."""
        packet = await self._packet(timeout_s)
        if packet.startswith('42["event",'):
            return self._decode(json.dumps(json.loads(packet[2:])[1]))
        if packet.startswith("43"):
            number, _, rest = packet[2:].partition("[")
            self._answers.append((int(number), self._decode(rest[:-1])))
        elif packet == "41":
            self.disconnected = True
        elif packet != "1":
            raise ContractViolationError(f"unexpected packet {packet!r}")
        return None

    async def _packet(self, timeout_s: float) -> str:
        """The next packet that is not the engine's ping, which is answered."""
        try:
            async with asyncio.timeout(timeout_s):
                while (packet := await self.socket.recv()) == "2":
                    await self.socket.send("3")
        except ConnectionClosed as error:
            raise DisconnectedError(close_code(error)) from error
        if not isinstance(packet, str):
            raise ContractViolationError(f"a binary packet: {packet!r}")
        return packet
