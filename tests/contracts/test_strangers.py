"""The kernel reuses socket numbers: a new connection never receives what was sent to a closed one of its number."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import httpx
import pytest

from tests.contracts.kit.clients import RoomClient, WebSocketClient
from tests.contracts.kit.pool import ServerPool, Variant
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tls import TLS
from tests.contracts.targets import Connect, Target

ROUNDS = 8
LEAVERS = 4
HELD_S = 0.02
WAYS = {"direct": ("write", "io_uring"), "portable": ("portable",), "ring": ("io_uring",)}
"""How each fan-out may write."""

pytestmark = pytest.mark.parametrize(
    "target", [Target(name, name) for name in ("websocket", "sse", "longpoll")], ids=str
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    fanouts = metafunc.config.getoption("--fanouts").split(",")
    ways = dict.fromkeys(way for fanout in fanouts for way in WAYS[fanout])
    metafunc.parametrize("server", tuple(ways), indirect=True)


@pytest.fixture
def server(servers: ServerPool, target: Target, variant: Variant, request: pytest.FixtureRequest) -> ServerProcess:
    if request.param not in WAYS[variant.fanout]:
        pytest.skip("the other fan-out writes so")
    if request.param == "io_uring":
        from tests.transports.direct.rings import new_ring  # a portable run has none of this

        new_ring()  # skips where the kernel has none
    way = {} if request.param == "portable" else {"WRITES": request.param}
    started = servers.shared(target.server, {"RATE": "0", **way})
    writes = httpx.get(f"{started.base_url}/health", verify=TLS).json()["writes"]
    assert writes == (None if started.spec.tls else way.get("WRITES"))  # by TLS its transport writes
    return started


async def speak(client: RoomClient) -> None:
    for _ in range(4):
        await client.publish("among friends")


async def listen(client: RoomClient) -> None:
    while True:  # else a poller would hold nothing while it goes
        await client.next_event()


async def go(client: RoomClient, listening: asyncio.Task[None]) -> None:
    listening.cancel()
    await asyncio.wait([listening])
    await (client.abort() if isinstance(client, WebSocketClient) else client.close())


async def test_another_client_by_the_number_of_one_that_left_receives_nothing(
    server: ServerProcess, connect: Connect
) -> None:
    bystander = await connect("bystander")
    for _ in range(ROUNDS):
        leavers = [await connect(f"leaver{number}") for number in range(LEAVERS)]
        listening = [asyncio.create_task(listen(client)) for client in leavers]
        await asyncio.sleep(HELD_S)
        with ExitStack() as held:
            # While the leavers go and messages fly: some of these are accepted by numbers that have just been freed.
            going = asyncio.gather(*map(go, leavers, listening), speak(bystander))
            newcomers = []
            for _ in range(3 * LEAVERS):
                newcomers.append(held.enter_context(socket.create_connection(("127.0.0.1", server.port))))
                await asyncio.sleep(0.001)
            await going
            marker = await bystander.publish("and once more")
            while (await bystander.next_chat()).id != marker:
                pass
            for newcomer in newcomers:
                newcomer.setblocking(False)
                with pytest.raises(BlockingIOError):
                    newcomer.recv(1)
