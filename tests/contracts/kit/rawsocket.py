"""A WebSocket peer that does only what the test asks for: `websockets`' sans-I/O protocol over a plain stream.

It shows the frames that a stock client handles silently (ping, close), and can stop reading or answering.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.server import HOST, ServerProcess
from tests.contracts.kit.tls import tls_for

_RECEIVE_BUFFER_BYTES = 4096


class RawWebSocket:
    """`answer_pings=False` makes it a peer that is connected and yet gone."""

    def __init__(self, *, answer_pings: bool = True) -> None:
        self.frames: deque[Frame] = deque()
        self._answers = answer_pings
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, server: ServerProcess, room: str) -> None:
        """TCP with a small receive buffer, then the upgrade."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (HOST, server.port))
        tls = tls_for(server.base_url)
        self._reader, self._writer = await asyncio.open_connection(
            sock=connection, limit=_RECEIVE_BUFFER_BYTES, ssl=tls, server_hostname=None if tls is None else HOST
        )
        self._protocol = ClientProtocol(parse_uri(f"{server.ws_base_url}/rooms/{room}/ws"), max_size=None)
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        response = await self._next_event()
        assert isinstance(response, Response)
        assert response.status_code == 101

    async def send_json(self, command: dict[str, object]) -> None:
        self._protocol.send_text(json.dumps(command).encode())
        self._flush()

    async def next_frame(self, timeout_s: float = EVENT_S) -> Frame:
        """The next frame of any kind. Raises ConnectionError at the end of the stream."""
        async with asyncio.timeout(timeout_s):
            frame = await self._next_event()
        assert isinstance(frame, Frame)
        return frame

    async def next_of(self, opcode: Opcode) -> Frame:
        while (frame := await self.next_frame()).opcode is not opcode:
            pass
        return frame

    async def close_code(self) -> int:
        """Read to the end; the code of the server's Close frame, or 1006."""
        try:
            while True:
                await self.next_frame()
        except ConnectionError:
            return self._protocol.close_code or 1006

    @property
    def writer(self) -> asyncio.StreamWriter:
        assert self._writer is not None, "not open"
        return self._writer

    def abort(self) -> None:
        self.writer.transport.abort()

    async def aclose(self) -> None:
        """Abort; harmless when it was never opened."""
        if self._writer is None:
            return
        self.abort()
        with contextlib.suppress(ConnectionError):  # it was reset: closed is what was wanted
            await self._writer.wait_closed()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.writer.write(data)

    async def _next_event(self) -> Frame | Response:
        while not self.frames:
            data = await self._reader.read(65_536)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._protocol.receive_data(data)
            answers = self._protocol.data_to_send()
            if self._answers:
                self.writer.write(b"".join(answers))
            for event in self._protocol.events_received():
                if isinstance(event, Response):
                    return event
                assert isinstance(event, Frame)
                self.frames.append(event)
        return self.frames.popleft()
