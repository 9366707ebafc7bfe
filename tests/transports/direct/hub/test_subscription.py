"""Direct subscriptions through the hub: resync in its place, and an end that reaches the socket."""

from __future__ import annotations

import asyncio
import json

from core.errors import ShuttingDown
from tests.core.instances import ROOM, decoded, gist, instance, settled
from tests.transports.direct.sink import FakeSink, join_direct


async def test_direct_subscriber_receives_from_its_position_on() -> None:
    async with instance() as one:
        left_at = await one.say("1")
        await one.say("2")
        alice = await join_direct(one, since=left_at)
        sink = FakeSink(alice)
        sink.connect()
        await one.say("3")
        await settled()
        assert gist(decoded(sink.written)) == ["2", "user_joined alice", "3"]
        assert one.hub.stats.deliveries == {"test": 3}
        await one.hub.detach(alice)
        assert sink.finished


async def test_what_a_stream_opens_with_is_one_write_with_what_has_come() -> None:
    async with instance() as one:
        alice = await join_direct(one)
        await one.say("1")
        sink = FakeSink(alice)
        sink.connect(b'{"type":"welcome"}\n')
        assert len(sink.written) == 1
        assert [json.loads(line)["type"] for line in sink.received()] == ["welcome", "user_joined", "chat"]


async def test_a_full_socket_gets_the_opening_and_the_rest_when_it_takes_it() -> None:
    async with instance() as one:
        alice = await join_direct(one)
        sink = FakeSink(alice, raw=True)
        alice.pause()
        sink.connect(b'{"type":"welcome"}\n')
        assert sink.written == [b'{"type":"welcome"}\n']
        sink.drain(10)
        assert [json.loads(line)["type"] for line in sink.received()] == ["welcome", "user_joined"]


async def test_resync_comes_after_what_was_delivered_before_it() -> None:
    async with instance() as one:
        alice = await join_direct(one)
        sink = FakeSink(alice)
        sink.connect()
        # All in one turn: an event that waits for the turn's end, and the loss of the store.
        one.link.answering = asyncio.Event()
        one.link.answering.set()
        channel = one.hub._channels.get(ROOM)
        assert channel is not None
        await one.say("last of its life")
        one.link.store.lose()
        await one.say("first of the next")
        await channel.repair()
        await settled()
        delivered = [json.loads(line) for line in sink.received()]
        assert gist(delivered) == ["user_joined alice", "last of its life", "resync", "first of the next"]


async def test_drain_finishes_direct_sockets() -> None:
    async with instance() as one:
        alice = await join_direct(one)
        sink = FakeSink(alice)
        sink.connect()
        one.hub.drain()
        assert isinstance(sink.reason, ShuttingDown)
