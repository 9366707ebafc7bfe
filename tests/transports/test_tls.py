"""TLS before the app, on both event loops and with both sinks: events arrive at once, and the stream stays open."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tests.contracts.kit.clients import RoomClient, SseClient
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.tls import TLS, made_pair
from tests.contracts.targets import client_of
from tests.transports.access import token
from tests.transports.ends import LARGE
from tests.transports.served import Run, Server, serving, until
from transports.uvicorn_edges.bounds import holds_bytes

STREAMS = ["websocket", "sse", "longpoll", "socketio"]
SAID = [f"message {number}" for number in range(20)]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return made_pair(tmp_path_factory.mktemp("tls")).context()


@pytest.fixture(params=["direct", "portable"])
def fanout(request: pytest.FixtureRequest) -> str:
    made: str = request.param
    return made


def _client(server: Server, transport: str, user: str = "alice") -> RoomClient:
    return client_of(transport)(f"https://127.0.0.1:{server.port}", "lobby", user, token(user))


@pytest.mark.parametrize("transport", STREAMS)
def test_each_message_is_received_before_the_next_is_sent(
    run: Run, tls: ssl.SSLContext, fanout: str, transport: str
) -> None:
    async def receive() -> None:
        async with serving("all", tls, fanout=fanout) as server:
            client = _client(server, transport)
            await client.connect()
            for said in SAID:
                await server.say(said)
                assert (await client.next_chat()).text("content") == said
            await client.close()

    run(receive())


def test_an_idle_stream_shows_that_it_lives(run: Run, tls: ssl.SSLContext, fanout: str) -> None:
    async def receive() -> None:
        async with serving("all", tls, fanout=fanout, heartbeat_s=0.05) as server:
            client = _client(server, "sse")
            assert isinstance(client, SseClient)
            await client.connect()
            await client.live(beats=3)
            await client.close()

    run(receive())


def test_what_waits_below_tls_is_seen(run: Run, tls: ssl.SSLContext) -> None:
    async def stall() -> None:
        async with serving("all", tls) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=TLS)
            await until(lambda: len(server.protocols) == 1)
            transport = server.protocols[0].transport
            assert transport.get_write_buffer_limits() == (16_384, 65_536)
            assert not holds_bytes(transport)
            transport.write(LARGE)
            await until(lambda: holds_bytes(transport))
            async with asyncio.timeout(EVENT_S):
                await reader.readexactly(len(LARGE))
            await until(lambda: not holds_bytes(transport))
            writer.transport.abort()
            await until(lambda: transport.is_closing())
            assert not holds_bytes(transport)

    run(stall())
