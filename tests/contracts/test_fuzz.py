"""Two thousand hostile frames and bodies: each is answered by the contract, and no other client is disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random

import httpx
import pytest

from tests.contracts.kit import fuzz
from tests.contracts.kit.clients import RoomClient, WebSocketClient
from tests.contracts.kit.clients.http import http_client, refusal
from tests.contracts.kit.hostile import answered, send_frame
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tls import end_sending
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import TRANSPORTS, Connect, make_client, unique

SEED = 20_260_101
FRAMES = 1000
BODIES = 1000
MARKER_EVERY = 50
GOOD_CLOSES = {1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403, 4408}


class Bystanders:
    """Members of the fuzzed room that must see every marker in order; each client fails on any hole."""

    def __init__(self, publisher: RoomClient, readers: list[RoomClient]) -> None:
        self._publisher = publisher
        self._readers = readers
        self._markers = 0

    async def miss_nothing(self) -> None:
        """Publish a marker and let everybody read up to it."""
        self._markers += 1
        marker = f"marker {self._markers}"
        position = await self._publisher.publish(marker)
        for reader in self._readers:
            while reader.position != position:
                await reader.next_event()


@pytest.fixture
def server(servers: ServerPool) -> ServerProcess:
    return servers.shared("all", {"RATE": "0"}, purpose="fuzz")


@pytest.fixture
async def bystanders(connect: Connect, server: ServerProcess) -> AsyncIterator[Bystanders]:
    names = [name for name in TRANSPORTS if name != "socketio"]
    readers = [await connect(f"by-{name}", transport=name, server=server) for name in names]
    everybody = Bystanders(readers[0], readers)
    earlier = len(server.log_offences())
    yield everybody
    await everybody.miss_nothing()
    assert server.process.poll() is None
    assert not server.log_offences()[earlier:]


async def newcomer(server: ServerProcess, room: str) -> WebSocketClient:
    client = make_client(server, "websocket", room, unique("fuzzer"))
    assert isinstance(client, WebSocketClient)
    await client.connect()
    return client


async def test_hostile_frames(server: ServerProcess, bystanders: Bystanders, room: str) -> None:
    rng, client, closes = Random(SEED), await newcomer(server, room), 0
    for count in range(FRAMES):
        code = await send_frame(client, fuzz.frame_bytes(rng))
        if code is not None:
            assert code in GOOD_CLOSES, f"frame {count} of seed {SEED} closed with {code}"
            closes += 1
            await client.abort()
            client = await newcomer(server, room)
        if count % MARKER_EVERY == 0:
            await bystanders.miss_nothing()
    await client.abort()
    assert closes > FRAMES // 20, "nothing hostile enough was sent"


async def test_hostile_first_frames(server: ServerProcess, bystanders: Bystanders, room: str) -> None:
    """The same before `hello`, where nobody is known yet."""
    rng, closes = Random(SEED + 1), 0
    for _ in range(FRAMES // 10):
        client = make_client(server, "websocket", room, unique("fuzzer"))
        assert isinstance(client, WebSocketClient)
        await client.open()
        codes = [await send_frame(client, fuzz.frame_bytes(rng)) for _ in range(3)]
        code = next(filter(None, codes), None)
        assert code is None or code in GOOD_CLOSES, f"closed with {code}"
        closes += code is not None
        await client.abort()
    assert closes > FRAMES // 200, "nothing hostile enough was sent"
    await bystanders.miss_nothing()


async def answer_of(http: httpx.AsyncClient, wanted: fuzz.HttpRequest) -> int:
    """The status, its error held against the contract."""
    async with answered(http, wanted) as response:
        if response.status_code >= 400 and wanted.method not in {"HEAD", "OPTIONS"}:
            await response.aread()
            assert refusal(response).status == response.status_code
        return response.status_code


async def test_hostile_bodies_and_requests(server: ServerProcess, bystanders: Bystanders, room: str) -> None:
    rng, refused = Random(SEED + 2), 0
    async with http_client(server.base_url, timeout=EVENT_S) as http:
        for count in range(BODIES):
            wanted = fuzz.http_request(rng, room, sign("fuzzer"))
            status = await answer_of(http, wanted)
            assert status < 500, f"request {count} of seed {SEED + 2}: {wanted} got {status}"
            refused += status >= 400
            if count % MARKER_EVERY == 0:
                await bystanders.miss_nothing()
    assert refused > BODIES // 2, "nothing hostile enough was sent"


async def test_bytes_that_are_no_http(server: ServerProcess, bystanders: Bystanders) -> None:
    rng = Random(SEED + 3)
    heads = (
        b"",
        b"GET ",
        b"GET / HTTP/1.1\r\n",
        b"POST /session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    for _ in range(FRAMES // 10):
        reader, writer = await server.open_connection()
        writer.write(rng.choice(heads) + rng.randbytes(rng.randrange(1, 300)) + b"\r\n\r\n")
        end_sending(writer)
        with suppress(ConnectionError):
            async with asyncio.timeout(EVENT_S):
                answer = await reader.read()
            assert not answer.startswith(b"HTTP/1.1 5"), answer
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()
    await bystanders.miss_nothing()
