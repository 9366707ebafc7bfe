"""A uvicorn protocol object with a transport of our own on one side and a client's own parser on the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from transports.base import Protocols
from transports.direct.protocols import DirectHttpProtocol, DirectWebSocketProtocol

App = Callable[[Scope, Receive, Send], Awaitable[None]]


DIRECT: Final[Protocols] = DirectHttpProtocol, DirectWebSocketProtocol


class RecordingTransport(asyncio.Transport):
    """Keeps what is written and done, in order."""

    def __init__(self) -> None:
        super().__init__(
            {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8000), "socket": socket.socket()}
        )
        self.written: list[bytes] = []
        self.done: list[str] = []
        self.protocol: asyncio.BaseProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closing(), "written to after closing"
        self.written.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.done.append("limits")

    def is_closing(self) -> bool:
        return bool({"close", "abort"} & set(self.done))

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.done.append("eof")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self.protocol is not None
        return self.protocol

    def drop(self) -> None:
        """Free the socket that stands for the accepted one."""
        self.get_extra_info("socket").close()


class WireEnd:
    """One connection to an app: `send` is what the client sends, `received` what it gets."""

    def __init__(self, app: App, *, protocols: Protocols = DIRECT, **config: Any) -> None:
        self.config = uvicorn.Config(app, log_config=None, **config)
        self.config.load()
        self.config.http_protocol_class, self.config.ws_protocol_class = protocols
        self.state = ServerState()
        self.transport = RecordingTransport()
        loop = asyncio.get_running_loop()
        protocol = protocols[0](self.config, self.state, {}, loop)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)

    @property
    def protocol(self) -> Any:
        """The protocol of now: an upgrade changes it."""
        return self.transport.protocol

    def send(self, data: bytes) -> None:
        self.protocol.data_received(data)

    def received(self) -> bytes:
        """All that was written since it was last asked."""
        written, self.transport.written = self.transport.written, []
        return b"".join(written)

    async def upgraded(self) -> ClientProtocol:
        """Make it a WebSocket; the client's own parser of it."""
        client = ClientProtocol(parse_uri("ws://127.0.0.1:8000/rooms/lobby/ws"))
        client.send_request(client.connect())
        self.send(b"".join(client.data_to_send()))
        await turns()
        client.receive_data(self.received())
        list(client.events_received())
        return client

    def lose(self) -> None:
        """Lose the connection, unless it is lost."""
        if self.protocol in self.state.connections:
            self.protocol.connection_lost(None)

    async def end(self) -> None:
        """Lose the connection, and let its tasks end."""
        self.lose()
        await turns()
        for task in self.state.tasks:
            task.cancel()
        await turns()
        self.transport.drop()


async def turns() -> None:
    """Let what can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)
