"""Sends what `fuzz` makes, below what a client of the contract would let through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

import httpx
from websockets.exceptions import ConnectionClosed

from tests.contracts.kit.clients import DisconnectedError, WebSocketClient
from tests.contracts.kit.fuzz import HttpRequest


async def send_frame(client: WebSocketClient, frame: bytes) -> int | None:
    """Write a frame's bytes. Returns the code that the server closed with, None while it has not.

    What the server said before is checked on the way.
    """
    with suppress(RuntimeError, ConnectionClosed):  # the server has ended its side
        client.socket.transport.write(frame)
    return await close_code(client)


async def close_code(client: WebSocketClient) -> int | None:
    """The code that the server closed with, None while it has not."""
    try:
        while True:
            await client.receive(timeout_s=0.002)
    except TimeoutError:
        # The Close frame may be here while the server still holds the connection for ours.
        received = client.socket.protocol.close_rcvd
        return None if received is None else int(received.code)
    except DisconnectedError as error:
        return error.close_code


@asynccontextmanager
async def answered(http: httpx.AsyncClient, wanted: HttpRequest, base_url: str = "") -> AsyncIterator[httpx.Response]:
    """The head of the answer to a request; a stream that was granted is dropped on leaving. Raises TransportError."""
    url = base_url + quote(wanted.path, safe="/?&=%:")
    request = http.build_request(wanted.method, url, headers=wanted.headers, content=wanted.body)
    response = await http.send(request, stream=True)
    try:
        yield response
    finally:
        await response.aclose()
