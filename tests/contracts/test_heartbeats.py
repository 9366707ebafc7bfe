"""Heartbeats, and the end of peers that do not answer them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from websockets.frames import Opcode

from tests.contracts.kit.clients import SseClient, StreamClient
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.rawsocket import RawWebSocket
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import STREAMS, Connect, Target, unique

QUICK = {"PRESENCE_TTL_SECONDS": "1", "HEARTBEAT_SECONDS": "0.3"}
WEBSOCKETS = (Target("websocket", "websocket"), Target("all", "websocket"))
EVENT_STREAMS = (Target("sse", "sse"), Target("all", "sse"))


@pytest.fixture
def server(servers: ServerPool, target: Target) -> ServerProcess:
    return servers.shared(target.server, QUICK)


@pytest.fixture
async def raw() -> AsyncIterator[RawWebSocket]:
    async with aclosing(RawWebSocket()) as client:
        yield client


@pytest.mark.parametrize("target", WEBSOCKETS, ids=str)
async def test_websocket_is_pinged(server: ServerProcess, raw: RawWebSocket, room: str) -> None:
    await raw.open(server, room)
    await raw.send_json({"type": "hello", "token": sign(unique("alice"))})
    welcome = json.loads(bytes((await raw.next_of(Opcode.TEXT)).data))
    assert welcome["heartbeatMs"] == 300
    for _ in range(3):
        await raw.next_of(Opcode.PING)


@pytest.mark.parametrize("target", WEBSOCKETS, ids=str)
async def test_peer_that_answers_no_ping_leaves(server: ServerProcess, connect: Connect, room: str) -> None:
    observer = await connect("observer")
    user = unique("silent")
    async with aclosing(RawWebSocket(answer_pings=False)) as silent:
        await silent.open(server, room)
        await silent.send_json({"type": "hello", "token": sign(user)})
        assert (await observer.presence_of(user)).type == "user_joined"
        assert (await observer.presence_of(user)).type == "user_left"


@pytest.mark.parametrize("target", WEBSOCKETS, ids=str)
async def test_websocket_that_answers_stays(
    server: ServerProcess, connect: Connect, raw: RawWebSocket, room: str
) -> None:
    """The silent peer's end is the clock: whoever answered meanwhile is still there."""
    observer = await connect("observer")
    silent, user, alive = RawWebSocket(answer_pings=False), unique("silent"), unique("alive")
    await raw.open(server, room)
    await raw.send_json({"type": "hello", "token": sign(alive)})
    await silent.open(server, room)
    await silent.send_json({"type": "hello", "token": sign(user)})

    async def answer() -> None:
        while True:
            await raw.next_frame()

    answering = asyncio.create_task(answer())
    try:
        left = await observer.presence_of(user, alive)
        while left.type != "user_left":
            left = await observer.presence_of(user, alive)
        assert left.text("userId") == user
    finally:
        answering.cancel()
        await silent.aclose()


@pytest.mark.parametrize("target", [Target(server, name) for name in STREAMS for server in (name, "all")], ids=str)
async def test_quiet_stream_shows_that_it_lives(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    assert isinstance(alice, StreamClient)
    await alice.live(beats=3)


@pytest.mark.parametrize("target", EVENT_STREAMS, ids=str)
async def test_event_stream_says_how_to_cache_and_when_to_come_back(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    assert isinstance(alice, SseClient)
    assert alice.response is not None
    assert {"no-store", "no-cache"} & set(alice.response.headers["cache-control"].replace(" ", "").split(","))
    assert len(alice.retries_ms) == 1
    assert 0 < alice.retries_ms[0] <= 60_000
