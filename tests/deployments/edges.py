"""The edges of HTTP that the contract names, sent to any server as raw bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.tokens import sign

_UPGRADE: Final = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: {}\r\n"
)

# What is asked (the prefix goes in place of {at}), and what the head of the answer begins with.
EDGES: Final[Mapping[str, tuple[str, str]]] = {
    "HEAD": ("HEAD {at}/health HTTP/1.1\r\nHost: x\r\n", "HTTP/1.1 200"),
    "slash too many": ("GET {at}/health/ HTTP/1.1\r\nHost: x\r\n", "HTTP/1.1 404"),
    "encoded slash": ("GET {at}/rooms/lobby%2Fpoll HTTP/1.1\r\nHost: x\r\n", "HTTP/1.1 404"),
    "no Host": ("GET {at}/health HTTP/1.1\r\n", "HTTP/1.1 400"),
    "two Hosts": ("GET {at}/health HTTP/1.1\r\nHost: x\r\nHost: y\r\n", "HTTP/1.1 400"),
    "no Upgrade": ("GET {at}/rooms/lobby/ws HTTP/1.1\r\nHost: x\r\n", "HTTP/1.1 426"),
    "WebSocket to no path": ("GET {at}/nowhere HTTP/1.1\r\nHost: x\r\n" + _UPGRADE.format(13), "HTTP/1.1 404"),
    "WebSocket version 8": ("GET {at}/rooms/lobby/ws HTTP/1.1\r\nHost: x\r\n" + _UPGRADE.format(8), "HTTP/1.1 426"),
    "HTTP/1.0 stream": ("GET {at}/rooms/lobby/events HTTP/1.0\r\n{token}", "HTTP/1.1 200"),
}


async def missed_edges(base_url: str) -> set[str]:
    """The names of the edges at which a server answers otherwise."""
    address = urlsplit(base_url)
    missed = set()
    for name, (asked, expected) in EDGES.items():
        token = f"Authorization: Bearer {sign('alice')}\r\n"
        head = await _head(address.port or 80, asked.format(at=address.path, token=token) + "\r\n")
        chunked = "HTTP/1.0" in asked and "transfer-encoding" in head.lower()
        if not head.replace("HTTP/1.0 ", "HTTP/1.1 ").startswith(expected) or chunked:
            missed.add(name)
    return missed


async def _head(port: int, asked: str) -> str:
    """The answer's head; what there is of it when the server says no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b""
    try:
        writer.write(asked.encode())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            async with asyncio.timeout(EVENT_S):
                head = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.transport.abort()
    return head.decode("latin-1")
