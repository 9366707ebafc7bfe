"""HTTP/2: what Hypercorn and h2 are relied on for, certificates, and pushes as real clients get them."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.conftest import missing
from tests.contracts.kit.clients import PushClient, RefusedError, ending
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.metrics import scrape, until, until_total
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import make_client, unique
from transports import certificate

FAT = '"' * 4096
"""Escaped it is 24 KiB."""
DRAIN_S = 2.0
EXIT_S = 2.0
Push = Callable[..., Awaitable[PushClient]]


@pytest.fixture
def room() -> str:
    return unique("push")


@pytest.fixture
async def push(room: str) -> AsyncIterator[Push]:
    """Makes clients of the room, connected unless `join=False`, and closes them."""
    clients: list[PushClient] = []

    async def make(server: ServerProcess, user: str = "", *, join: bool = True) -> PushClient:
        client = make_client(server, "h2push", room, user or unique("alice"))
        assert isinstance(client, PushClient)
        clients.append(client)
        if join:
            await client.connect()
        return client

    yield make
    for client in clients:
        await client.close()


def test_a_made_certificate_is_for_this_machine_and_not_for_ever() -> None:
    now = datetime.now(UTC)
    pem, key = certificate.make(now)
    made = x509.load_pem_x509_certificate(pem)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert [*names.get_values_for_type(x509.DNSName), *addresses] == ["localhost", "127.0.0.1", "::1"]
    assert made.not_valid_before_utc <= now < made.not_valid_after_utc <= now + timedelta(days=398)
    assert pem != certificate.make(now)[0]
    assert b"PRIVATE KEY" in key


def test_nghttp_receives_pushes(servers: ServerPool, room: str, tmp_path: Path) -> None:
    """nghttp2's own client: the promise, and the pushed response on the stream that was promised."""
    program = shutil.which("nghttp")
    if program is None:
        missing("nghttp")
    server = servers.shared("h2push")
    address = f"{server.base_url}/rooms/{room}/push"
    command = [str(program), "-nv", "--timeout=1", "-H", f"authorization: Bearer {sign(unique('alice'))}", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=EVENT_S, check=False)
    promised, _, answered = done.stdout.partition("recv PUSH_PROMISE frame")
    assert f":path: /rooms/{room}/pushed/1" in promised
    assert "promised_stream_id=2" in answered
    assert "recv (stream_id=2) :status: 200" in answered
    assert "recv DATA frame" in answered


@pytest.mark.parametrize("fanout", ["direct", "portable"])
async def test_every_event_is_a_promise_that_is_kept(servers: ServerPool, push: Push, fanout: str) -> None:
    server = servers.shared("h2push", {"FANOUT": fanout, "RATE": "0"})
    alice, bob = await push(server), await push(server)
    assert alice.head["cache-control"] == "no-store, no-transform"
    sent = [await bob.publish(f"message {number}") for number in range(20)]
    sent.append(await bob.publish(FAT))  # more than a frame holds
    assert [event.id for event in await alice.next_chats(21)] == sent
    assert alice.pushed_paths[-1] == f"/rooms/{alice.room}/pushed/{sent[-1].offset}"
    assert len(set(alice.pushed_paths)) == len(alice.pushed_paths)


async def test_a_client_that_refuses_pushes_is_notified_so(servers: ServerPool, push: Push) -> None:
    server = servers.shared("h2push")
    alice = await push(server, join=False)
    alice.takes_pushes = False
    with pytest.raises(RefusedError, match="SETTINGS_ENABLE_PUSH 0") as refused:
        await alice.connect()
    assert (refused.value.status, refused.value.code) == (400, "bad_request")
    async with http_client(server.base_url, sign("alice"), http2=False) as http:
        response = await http.get("/rooms/lobby/push")
    assert response.status_code == 400
    assert "this is HTTP/1.1" in response.text


async def test_a_promise_is_nothing_to_ask_for(servers: ServerPool, push: Push) -> None:
    """Only the server's own request for a promised path is answered: it cannot be forged."""
    server = servers.shared("h2push")
    alice = await push(server)
    position = await alice.publish("x")
    response = await alice.http.get(f"/rooms/{alice.room}/pushed/{position.offset}")
    assert response.status_code == 404


async def test_a_quiet_stream_shows_that_it_lives(servers: ServerPool, push: Push) -> None:
    alice = await push(servers.shared("h2push", {"HEARTBEAT_SECONDS": "0.2"}))

    async def beaten() -> bool:
        await asyncio.wait_for(alice._read(), EVENT_S)
        return alice.beats >= 3

    await until(beaten)


@pytest.mark.parametrize("fanout", ["direct", "portable"])
async def test_a_closed_window_costs_an_outbox_and_then_the_stream(
    servers: ServerPool, push: Push, fanout: str
) -> None:
    """It reads its socket and gives no window: TCP never blocks, so only the outbox can."""
    server = servers.own("h2push", {"OUTBOX_BYTES": "65536", "RATE": "0", "FANOUT": fanout})
    bystander, stalled = await push(server), await push(server, join=False)
    stalled.acknowledges = False
    await stalled.connect()
    highest = 0.0
    for _ in range(100):
        position = await bystander.publish(FAT)
        assert (await bystander.next_chat()).id == position
        metrics = await scrape(server)
        highest = max(highest, metrics.total("rtlab_outbox_bytes"))
        if metrics.total("rtlab_slow_consumers_total"):
            break
    assert highest <= 2 * 65_536
    assert set((await ending(stalled)).codes) <= {"slow_consumer"}
    await until_total(server, "rtlab_connections", lambda total: total == 1)
    again = await push(server, stalled.user_id, join=False)
    assert (await again.connect(stalled.position)).recovered
    while again.position != position:
        await again.next_event()


@pytest.mark.alone
async def test_a_closed_window_outlives_no_connection(servers: ServerPool, push: Push) -> None:
    """What waits for a window ends with its connection: its task, its stream, its place in the room."""
    server = servers.own("h2push", {"RATE": "0"})
    tasks = (await scrape(server)).total("rtlab_tasks")
    publisher = await push(server, join=False)
    for _ in range(5):
        stalled = await push(server, join=False)
        stalled.acknowledges = False
        await stalled.connect()
        for _ in range(4):
            await publisher.publish(FAT)
        await stalled.close()
    await publisher.close()
    await until_total(server, "rtlab_connections", lambda total: total == 0)
    await until_total(server, "rtlab_tasks", lambda total: total <= tasks + 4)


async def test_a_server_that_pushes_for_long_keeps_no_streams_that_are_over(servers: ServerPool, push: Push) -> None:
    """Past a thousand promises Hypercorn's own default would end the connection."""
    server = servers.own("h2push", {"RATE": "0"})
    alice = await push(server)
    for number in range(1100):
        await alice.publish(str(number))
        await alice.next_chat()
    assert len(alice.pushed_paths) > 1100


@pytest.mark.parametrize("name", ["h2push", "sse-h2"])
async def test_a_drain_tells_streams_and_waits_for_nobody(servers: ServerPool, name: str, room: str) -> None:
    server = servers.own(name, {"DRAIN_SECONDS": f"{DRAIN_S:g}", "RATE": "0"})
    transport = "h2push" if name == "h2push" else "sse"
    reading, stuck = (make_client(server, transport, room, unique(user)) for user in ("reading", "stuck"))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)  # says nothing, not even TLS
    await reading.connect()
    await stuck.connect()
    for _ in range(40):
        await reading.publish(FAT)
        await reading.next_chat()
    started_s = time.monotonic()
    server.terminate()
    assert set((await ending(reading)).codes) <= {"shutting_down"}
    assert await asyncio.to_thread(server.wait) == 0
    assert time.monotonic() - started_s <= DRAIN_S + EXIT_S
    assert not server.log_offences()
    writer.transport.abort()
    for client in (reading, stuck):
        await client.close()
    assert await reader.read() == b""
