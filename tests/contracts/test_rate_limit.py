"""The token bucket: per user, over connections and transports, never by an address."""

from __future__ import annotations

import asyncio
import math

import pytest

from tests.contracts.kit.clients import HttpRoomClient, RefusedError, RoomClient, WebSocketClient, ending
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import HTTP_TARGETS, TRANSPORTS, Connect, Target

BURST = 3
SLOW = {"RATE": "0.05", "BURST": str(BURST)}
"""A token every 20 s: nothing comes back within a test."""


@pytest.fixture
def server(servers: ServerPool, target: Target) -> ServerProcess:
    return servers.shared(target.server, SLOW)


async def exhaust(client: RoomClient) -> None:
    for count in range(BURST):
        await client.publish(f"within the burst {count}")


async def refused(client: RoomClient) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        await client.publish("over the limit")
    return error.value


async def test_more_than_a_burst_is_refused_with_the_time_to_wait(server: ServerProcess, connect: Connect) -> None:
    alice, bob = await connect("alice"), await connect("bob")
    await exhaust(alice)
    error = await refused(alice)
    assert error.code == "rate_limited"
    assert error.retry_after_ms is not None
    assert 0 < error.retry_after_ms <= 20_000
    if isinstance(alice, HttpRoomClient):
        assert error.status == 429
        # Whole seconds, rounded up: a client that waits for them is not refused again.
        assert int(error.headers["retry-after"]) == math.ceil(error.retry_after_ms / 1000)
    # Refused is refused: nobody sees it, and the other user has a bucket of his own.
    await bob.publish("bob may")
    assert (await bob.contents_until("bob may"))[-2:] == [f"within the burst {BURST - 1}", "bob may"]


async def test_refused_for_the_rate_repeats_the_ref(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    await exhaust(alice)
    with pytest.raises(RefusedError) as error:
        await alice.publish("over", "my-ref")
    assert error.value.error.ref in {"my-ref", None}


async def test_bucket_is_shared_over_connections(server: ServerProcess, connect: Connect) -> None:
    await exhaust(await connect("alice"))
    assert (await refused(await connect("alice"))).code == "rate_limited"


@pytest.mark.parametrize("target", [Target("all", "websocket")], ids=str)
async def test_bucket_is_shared_over_transports(server: ServerProcess, connect: Connect) -> None:
    clients = [await connect("alice", transport=name) for name in TRANSPORTS]
    for client in clients[:BURST]:
        await client.publish("one token each")
    for client in clients:
        assert (await refused(client)).code == "rate_limited"


async def test_bucket_is_shared_over_rooms(server: ServerProcess, connect: Connect, room: str) -> None:
    await exhaust(await connect("alice"))
    assert (await refused(await connect("alice", room=f"{room}-2"))).code == "rate_limited"


@pytest.mark.parametrize("target", HTTP_TARGETS, ids=str)
async def test_forwarded_addresses_buy_nothing(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    assert isinstance(alice, HttpRoomClient)
    await exhaust(alice)
    for number in range(5):
        address = f"203.0.113.{number}"
        alice.http.headers.update({"X-Forwarded-For": address, "X-Real-IP": address, "Forwarded": f"for={address}"})
        assert (await refused(alice)).code == "rate_limited"


async def test_one_who_waits_as_asked_is_taken_again(servers: ServerPool, target: Target, connect: Connect) -> None:
    server = servers.shared(target.server, {"RATE": "4", "BURST": "1"})
    alice = await connect("alice", server=server)
    await alice.publish("first")
    for count in range(2):
        wait_ms = (await refused(alice)).retry_after_ms
        assert wait_ms is not None
        # This is the client's part of the contract, not a way to wait for the server.
        await asyncio.sleep(wait_ms / 1000)
        await alice.publish(f"taken {count}")


async def test_rate_zero_turns_the_limit_off(servers: ServerPool, target: Target, connect: Connect) -> None:
    alice = await connect("alice", server=servers.shared(target.server, {"RATE": "0"}))
    for count in range(60):
        await alice.publish(str(count))


@pytest.mark.parametrize("target", [Target("websocket", "websocket"), Target("all", "websocket")], ids=str)
async def test_twenty_refusals_in_a_row_close_with_4429(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    assert isinstance(alice, WebSocketClient)
    await exhaust(alice)
    for _ in range(25):
        await alice.send_json({"type": "chat", "content": "and again"})
    end = await ending(alice)
    assert end.close_code == 4429
    assert end.codes == ("rate_limited",) * 20


@pytest.mark.parametrize("target", [Target("websocket", "websocket"), Target("all", "websocket")], ids=str)
async def test_nineteen_refusals_leave_it_open(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    assert isinstance(alice, WebSocketClient)
    await exhaust(alice)
    for _ in range(19):
        assert (await refused(alice)).code == "rate_limited"
    await alice.send_json({"type": "ping"})
    assert (await alice.reply()).type == "pong"
