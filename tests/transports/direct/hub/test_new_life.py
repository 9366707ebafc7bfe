"""The store comes back empty: what direct subscribers and held polls get of the room's new life."""

from __future__ import annotations

import pytest

from core.model import Position
from tests.core.instances import ROOM, decoded, frame, gist, instances, settled, waiting
from tests.core.test_hub_new_life import begin_again, resync
from tests.transports.direct.hub.held import delivered, held
from tests.transports.direct.hub.held import resume as resume_poll
from tests.transports.direct.sink import FakeSink, join_direct


@pytest.mark.parametrize("sink", ["direct", "full"])
async def test_stream_is_notified_where_the_new_life_begins_and_all_of_it(sink: str) -> None:
    async with instances(2) as (one, two):
        alice = await join_direct(two)
        socket = FakeSink(alice, room_for=2 if sink == "full" else 1_000_000)
        socket.connect()
        await begin_again(one, two)
        two.hub.may_have_missed(None)
        await settled()
        received = decoded([line + b"\n" for line in socket.received()])
        if sink == "full":  # it fills up in the middle of the jump
            socket.drain(10)
            received += decoded([line + b"\n" for line in socket.received()])
        assert gist(received) == ["user_joined alice", "resync", "a", "b", "c"]
        assert received[1] == resync(0)
        assert [event["id"] for event in received[2:]] == [f"epoch0002:{offset}" for offset in (1, 2, 3)]


async def test_held_poll_is_answered_and_its_next_one_gets_all_of_the_new_life() -> None:
    async with instances(2) as (one, two):
        subscription, sink = await held(two)
        await begin_again(one, two)
        two.hub.may_have_missed(None)
        await settled()
        assert delivered(sink) == ["resync", "answer"]
        assert resume_poll(two, subscription, Position("epoch0002", 0)) is None  # its lease went with the store
        again = await two.join(since=Position("epoch0002", 0), poller=True)
        assert again.start.recovered
        assert gist(waiting(again)) == ["a", "b", "c", "user_joined alice"]


async def test_poller_on_its_way_back_is_a_live_subscriber() -> None:
    async with instances(2) as (one, two):
        subscription, _ = await held(two)
        at = await one.say("last of its life")
        await settled()  # it is answered
        await begin_again(one, two)
        two.hub.may_have_missed(None)
        await settled()
        assert resume_poll(two, subscription, at) is None
        again = await two.hub.attach(two.who(), ROOM, "poll", frame, since=at, poller=True)
        assert (again.start.resync, again.start.position) == ("epoch_changed", Position("epoch0002", 0))
