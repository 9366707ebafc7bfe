"""Subscribers that ask for a stream and never read a byte of it."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from loadtests.evidence.bench.build import BenchError
from loadtests.evidence.bench.systems import contract_token
from loadtests.load.clients.websocket import TEXT, build_frame

_RECEIVE_BYTES = 4096  # the kernel rounds it up; small, so that the server's side fills soon
_ADMITTED_S = 0.2


@contextmanager
def stalled(port: int, transport: str, count: int) -> Iterator[None]:
    """Hold `count` such subscribers of the contract's room `r`. Raises BenchError when the server refuses one."""
    with ExitStack() as held:
        for _ in range(count):
            connection = held.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
            connection.connect(("127.0.0.1", port))
            connection.sendall(_request(transport))
            answer = connection.recv(64)
            if answer[9:12] not in (b"101", b"200"):
                raise BenchError(f"a stalled {transport} reader was refused: {answer[:40]!r}")
            if transport == "websocket":
                hello = f'{{"type":"hello","token":"{contract_token()}"}}'
                connection.sendall(build_frame(TEXT, hello.encode()))
        time.sleep(_ADMITTED_S if count else 0)
        yield


def _request(transport: str) -> bytes:
    if transport == "websocket":
        key = base64.b64encode(bytes(16)).decode()
        head = "GET /rooms/r/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        return f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    bearer = f"Authorization: Bearer {contract_token()}\r\n"
    return f"GET /rooms/r/events HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}\r\n".encode()
