"""What TLS adds: its end ends the connection and not the message, and peers that speak no TLS fill no log."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

import pytest

from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import HOST, ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import Connect, unique

NO_HANDSHAKES = (b"", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", bytes(range(256)))


@pytest.fixture(params=["direct", "portable"])
def server(servers: ServerPool, request: pytest.FixtureRequest) -> ServerProcess:
    return servers.shared("all", {"FANOUT": request.param}, tls=True)


def post(room: str, user: str, content: str) -> bytes:
    body = f'{{"content":"{content}"}}'
    head = f"Host: x\r\nAuthorization: Bearer {sign(user)}\r\nContent-Length: {len(body)}\r\n"
    return f"POST /rooms/{room}/messages HTTP/1.1\r\n{head}\r\n{body}".encode()


@pytest.mark.parametrize("answered", [0, 2])
async def test_a_message_keeps_its_place_though_its_sender_ends(
    server: ServerProcess, connect: Connect, room: str, answered: int
) -> None:
    """Also the third of a connection, by which it has come to the short way."""
    listener = await connect("listener", transport="sse", server=server)
    reader, writer = await server.open_connection()
    user = unique("sender")
    for number in range(answered):
        writer.write(post(room, user, f"message {number}"))
        assert b" 202 " in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
    writer.write(post(room, user, f"message {answered}"))
    writer.close()  # close_notify, behind the message
    said = await listener.contents_until(f"message {answered}")
    assert said == [f"message {number}" for number in range(answered + 1)]
    with suppress(OSError):  # an answer to somebody who has ended
        await writer.wait_closed()


async def test_who_speaks_no_tls_is_not_logged_and_disturbs_nobody(server: ServerProcess, connect: Connect) -> None:
    listener = await connect("listener", transport="websocket", server=server)
    before = server.log_text()
    for said in NO_HANDSHAKES:
        for reset in (False, True):
            with socket.create_connection((HOST, server.port)) as peer:
                peer.settimeout(10.0)
                peer.sendall(said)
                if reset:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif said:
                    while peer.recv(4096):  # an alert, and the end
                        pass
    await listener.publish("undisturbed")
    assert (await listener.next_chat()).text("content") == "undisturbed"
    assert server.log_text() == before
