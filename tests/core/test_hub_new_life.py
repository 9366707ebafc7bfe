"""The store comes back empty, and one instance publishes before another notices: no live subscriber misses an event."""

from __future__ import annotations

import asyncio
from typing import Any

from core.model import Position, ResyncReason
from core.settings import Settings
from tests.core.instances import ROOM, Follower, Instance, gist, instances, settled, waiting


async def begin_again(one: Instance, two: Instance, said: str = "abc") -> None:
    """Empty the store and say something, of which `two` receives nothing before it asks."""
    two.link.held = True
    one.link.store.lose()
    for content in said:
        await one.say(content)
    two.link.in_flight.clear()
    two.link.held = False


def resync(offset: int, reason: ResyncReason = "epoch_changed") -> dict[str, Any]:
    return {"type": "resync", "reason": reason, "position": f"epoch0002:{offset}"}


async def test_stream_is_notified_where_the_new_life_begins_and_all_of_it() -> None:
    async with instances(2) as (one, two):
        alice = await two.join()
        await begin_again(one, two)
        two.hub.may_have_missed(None)
        await settled()
        received = waiting(alice)
        assert gist(received) == ["user_joined alice", "resync", "a", "b", "c"]
        assert received[1] == resync(0)
        assert [event["id"] for event in received[2:]] == [f"epoch0002:{offset}" for offset in (1, 2, 3)]


async def test_what_the_new_life_has_dropped_is_left_out_by_the_resync() -> None:
    async with instances(2, Settings(rate_per_s=0.0, history_events=2)) as (one, two):
        alice = await two.join()
        await begin_again(one, two)
        two.hub.may_have_missed(None)
        await settled()
        received = waiting(alice)
        assert gist(received) == ["user_joined alice", "resync", "b", "c"]
        assert received[1] == resync(1)


async def test_room_that_forgets_while_it_is_read_is_followed_from_its_head() -> None:
    async with instances(2, Settings(rate_per_s=0.0, history_events=1)) as (one, two):
        alice = await two.join()
        waiting(alice)
        await begin_again(one, two)
        two.hub.may_have_missed(None)
        for content in "defghijk":  # each drops the one before, faster than the answer to a read arrives
            await one.say(content)
            await asyncio.sleep(0)
        await settled()
        follower = Follower(alice)
        received = waiting(alice)
        follower.receive(received)
        assert [event["type"] for event in received].count("resync") == 1
        assert gist(received)[-1] == "k"
        assert follower.position == (await one.hub.members(ROOM))[0]


async def test_who_comes_with_a_position_that_cannot_be_honoured_begins_at_the_head() -> None:
    async with instances(2) as (one, two):
        bystander = await two.join("bob")
        left_at = await one.say("last of its life")
        await begin_again(one, two)
        two.hub.may_have_missed(None)
        await settled()
        stream = await two.join(since=left_at)
        foreign = await two.join("carol", since=Position("foreign00", 1), poller=True)
        for subscription, offset in ((stream, 3), (foreign, 4)):
            assert subscription.start.resync == "epoch_changed"
            assert subscription.start.position == Position("epoch0002", offset)
        assert gist(waiting(bystander))[-4:] == ["b", "c", "user_joined alice", "user_joined carol"]


async def test_position_of_the_new_life_is_honoured_where_it_has_not_been_noticed() -> None:
    async with instances(2) as (one, two):
        bystander = await two.join("bob")
        waiting(bystander)
        await begin_again(one, two)
        alice = await two.join(since=Position("epoch0002", 1))
        assert alice.start.recovered
        assert gist(waiting(alice)) == ["b", "c", "user_joined alice"]
        assert gist(waiting(bystander)) == ["resync", "a", "b", "c", "user_joined alice"]
