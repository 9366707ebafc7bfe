"""The instrument's sans-I/O clients on asyncio: one connection that passes on its events as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from loadtests.load.clients.base import Access, Client, Event, ProtocolError
from loadtests.load.clients.polls import LongPollClient
from loadtests.load.clients.publish import PublishClient
from loadtests.load.clients.sse import SseClient
from loadtests.load.clients.websocket import WebSocketClient
from tests.contracts.kit.tls import TLS

TRANSPORTS = ("websocket", "sse", "longpoll")


def make_client(transport: str, access: Access, since: str = "") -> Client:
    """A client of a transport."""
    kinds: dict[str, type[Client]] = {
        "websocket": WebSocketClient,
        "sse": SseClient,
        "longpoll": LongPollClient,
        "publish": PublishClient,
    }
    return kinds[transport](access, since)


class Peer(asyncio.Protocol):
    """Carries one client over one connection. `ended` is set when the connection is gone, or the server said so."""

    def __init__(self, client: Client, receive: Callable[[Event], None]) -> None:
        self.client = client
        self.ended = asyncio.Event()
        self._receive = receive
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._transport.write(self.client.opening())

    def data_received(self, data: bytes) -> None:
        if self.ended.is_set():
            return
        try:
            arrivals = self.client.feed(data)
        except ProtocolError as error:
            self._receive(Event(type="protocol_error", message=str(error)))
            self.abort()
            return
        for event, _ in arrivals:
            self._receive(event)
        outgoing = self.client.take_outgoing()
        if outgoing:
            self.send(outgoing)
        if self.client.closed is not None:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set()

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def stop_reading(self) -> None:
        """Read nothing more, without closing."""
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self) -> None:
        self.ended.set()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self.ended.set()
        if self._transport is not None:
            self._transport.abort()


async def connect(client: Client, receive: Callable[[Event], None], within_s: float = 5.0) -> Peer | None:
    """Open a client's connection; None when that fails."""
    endpoint = client.access.endpoint
    loop = asyncio.get_running_loop()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(within_s):
            _, peer = await loop.create_connection(
                lambda: Peer(client, receive), endpoint.host, endpoint.port, ssl=TLS if endpoint.secure else None
            )
            return peer
    return None
