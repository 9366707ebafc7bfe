"""TLS handshakes that fail leave no line in a log."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

import pytest

from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.rawhttp import answer_to


@pytest.mark.parametrize("name", ["all", "h2push"])
async def test_bad_tls_handshakes_are_nobodys_news(servers: ServerPool, name: str) -> None:
    server = servers.own(name, tls=True)
    before = server.log_text()
    for said in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05junk!", b"\x16\x03\x01\x02\x00\x01"):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(said)
        writer.write_eof()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", server.port, ssl=ssl.create_default_context())
    answer = await answer_to(server, b"no request\r\n\r\n")
    assert answer.status == 400
    server.stop()
    assert server.log_text() == before
