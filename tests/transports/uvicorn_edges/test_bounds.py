"""Peers that cost more than they should: heads without end, heads that never come, pings without measure."""

from __future__ import annotations

import asyncio
import base64
import ctypes
import os
import socket
from collections.abc import AsyncIterator

import psutil
import pytest

from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from transports.uvicorn_edges.protocols import HEAD_BYTES

UPGRADE = (
    b"GET /rooms/lobby/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n\r\n"
)
PING = b"\x89\x80\0\0\0\0"
EMPTY_FRAGMENT = b"\x00\x80\0\0\0\0"
TEXT_BEGINS = b"\x01\x80\0\0\0\0"
LIMIT_S = 20.0


@pytest.fixture
async def server(servers: ServerPool) -> AsyncIterator[ServerProcess]:
    running = await asyncio.to_thread(servers.own, "all")
    yield running
    await asyncio.to_thread(running.stop)
    assert not running.log_offences()


async def talk(server: ServerProcess, *parts: bytes) -> bytes:
    """Send the parts, each but the first after something was answered, and read to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    got = b""
    try:
        async with asyncio.timeout(LIMIT_S):
            try:
                for number, part in enumerate(parts):
                    if number:
                        got += await reader.read(65_536)
                    writer.write(part)  # not drained: what is answered meanwhile must be read
                while data := await reader.read(65_536):
                    got += data
            except ConnectionResetError:
                pass  # it went with bytes of ours unread; what it said before that is what counts
    finally:
        writer.close()
    return got


async def test_pipelined_requests_are_no_head_however_many_come_at_once(server: ServerProcess) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    many = HEAD_BYTES // len(request) + 10
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(LIMIT_S):
        writer.write(request * many + last[:20])
        await asyncio.sleep(0.2)
        writer.write(last[20:])
        got = await reader.read()
    writer.close()
    assert got.count(b"HTTP/1.1 200") == many + 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
        b"GET /" + b"x" * (2 * HEAD_BYTES),
    ],
    ids=["complete", "endless"],
)
async def test_head_over_the_limit_is_refused(server: ServerProcess, head: bytes) -> None:
    assert (await talk(server, head)).startswith(b"HTTP/1.1 431 ")


async def test_head_just_within_the_limit_is_served(server: ServerProcess) -> None:
    room = HEAD_BYTES - 100
    request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: " + b"x" * room + b"\r\n\r\n"
    assert (await talk(server, request)).startswith(b"HTTP/1.1 200 ")


async def test_half_sent_and_silent_connections_are_ended(server: ServerProcess) -> None:
    half, silent, second = await asyncio.gather(
        talk(server, b"GET /health HTTP/1.1\r\nHost: x\r\n"),
        talk(server),
        talk(server, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /heal"),
    )
    assert half.startswith(b"HTTP/1.1 408 ")
    assert silent == b""
    assert second.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in second


@pytest.mark.parametrize("flood", [PING * 5000, TEXT_BEGINS + EMPTY_FRAGMENT * 5000], ids=["pings", "fragments"])
async def test_flood_of_frames_is_closed_with_1008(server: ServerProcess, flood: bytes) -> None:
    said = await talk(server, UPGRADE, flood)
    assert said.startswith(b"HTTP/1.1 101 ")
    assert (1008).to_bytes(2, "big") + b"more than" in said
    # What is parsed at one go is answered at one go: some hundred, of the thousands that were sent.
    assert said.count(b"\x8a\x00") < 1000


async def test_kernel_gives_up_what_is_not_acknowledged(server: ServerProcess) -> None:
    """The options are on the server's end of the connection, which only the server's kernel side can be asked for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"}")
        accepted = _server_end(server, writer.get_extra_info("sockname")[1])
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 131_072
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.close()
    finally:
        writer.close()


def _server_end(server: ServerProcess, client_port: int) -> socket.socket:
    """A duplicate of the server process's accepted socket (pidfd_getfd), or a skip where that is not allowed."""
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    (fd,) = [each.fd for each in connections if each.raddr and each.raddr.port == client_port]
    pidfd = os.pidfd_open(server.process.pid)
    copied = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, fd, 0)
    os.close(pidfd)
    if copied < 0:
        pytest.skip("this system does not let a process look at another's sockets")
    return socket.socket(fileno=copied)
