"""What time does to a room: leases and tokens that run out, rooms that nobody listens to, a store that is away."""

from __future__ import annotations

import asyncio
import logging

import pytest

from core.errors import Unauthorized, Unavailable
from core.settings import Settings
from tests.core.instances import ROOM, frame, gist, instance, instances, present, waiting

SHORT = Settings(rate_per_s=0.0, presence_ttl_s=6.0)


async def test_detach_while_the_store_is_away_is_left_to_the_lease(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rtlab.hub")
    async with instance(SHORT) as one:
        bob, alice = await one.join("bob"), await one.join("alice")
        one.link.away = True
        await one.hub.detach(alice)
        assert "run out by itself" in caplog.text
        one.link.away = False
        assert await present(one) == {"bob": 1, "alice": 1}
        await asyncio.sleep(SHORT.presence_ttl_s + 1.5)
        assert await present(one) == {"bob": 1}
        assert gist(waiting(bob))[-1] == "user_left alice"


async def test_attached_subscriber_stays_a_member_for_as_long_as_it_is_attached() -> None:
    async with instance(SHORT) as one:
        bob = await one.join("bob")
        await asyncio.sleep(20 * SHORT.presence_ttl_s)
        assert await present(one) == {"bob": 1}
        assert gist(waiting(bob)) == ["user_joined bob"]


async def test_renewal_that_failed_is_tried_again_a_second_later() -> None:
    async with instance(SHORT) as one:
        bob = await one.join("bob")
        one.link.away = True
        await asyncio.sleep(SHORT.presence_ttl_s - 1.0)
        one.link.away = False
        renewed = one.link.calls["renew"]
        await asyncio.sleep(1.5)
        assert one.link.calls["renew"] > renewed
        await asyncio.sleep(2 * SHORT.presence_ttl_s)
        assert gist(waiting(bob)) == ["user_joined bob"]


async def test_ghost_of_a_dead_instance_leaves_with_its_lease() -> None:
    async with instances(2, SHORT) as (one, two):
        bob = await one.join("bob")
        await two.join("alice")
        two.link.away = True  # as good as killed: it renews nothing
        await asyncio.sleep(SHORT.presence_ttl_s + 1.5)
        assert gist(waiting(bob)) == ["user_joined bob", "user_joined alice", "user_left alice"]


async def test_poller_is_a_member_between_its_polls_until_its_lease_runs_out() -> None:
    async with instance(SHORT) as one:
        bob = await one.join("bob")
        poller = one.who("alice")
        since = bob.start.position
        for _ in range(5):
            poll = await one.hub.attach(poller, ROOM, "poll", frame, since=since, poller=True)
            await one.hub.detach(poll)
            since = poll.start.position
            await asyncio.sleep(SHORT.presence_ttl_s - 2.0)
        assert await present(one) == {"bob": 1, "alice": 1}
        await asyncio.sleep(4.0)
        assert gist(waiting(bob)) == ["user_joined bob", "user_joined alice", "user_left alice"]


async def test_held_poll_outlives_its_lease() -> None:
    async with instance(SHORT) as one:
        poll = await one.join("alice", poller=True)
        await asyncio.sleep(5 * SHORT.presence_ttl_s)
        assert await present(one) == {"alice": 1}
        assert gist(waiting(poll)) == ["user_joined alice"]


async def test_stream_ends_when_its_token_expires() -> None:
    async with instance() as one:
        lasting, alice = await one.join("bob"), await one.join("alice", ttl_s=10.0)
        await asyncio.sleep(8.0)
        assert not alice.ended
        await asyncio.sleep(3.5)
        waiting(alice)
        with pytest.raises(Unauthorized, match="expired"):
            await alice.take()
        assert not lasting.ended


async def test_expired_subscriber_is_not_renewed() -> None:
    async with instance(SHORT) as one:
        bob = await one.join("bob")
        await one.join("alice", ttl_s=2.0)
        await asyncio.sleep(2 * SHORT.presence_ttl_s)
        assert gist(waiting(bob)) == ["user_joined bob", "user_joined alice", "user_left alice"]


async def test_room_that_nobody_listens_to_is_unfollowed_after_a_while() -> None:
    async with instance(SHORT) as one:
        alice = await one.join()
        await asyncio.sleep(10.0)
        await one.hub.detach(alice)
        await asyncio.sleep(0.9)
        assert one.link.followed[ROOM] == 1
        again = await one.join(since=alice.start.position)
        assert one.link.calls["subscribe"] == 1  # who comes back soon finds the room still followed
        await asyncio.sleep(10.0)
        assert one.link.followed[ROOM] == 1
        await one.hub.detach(again)
        await asyncio.sleep(4.0)
        assert one.link.followed[ROOM] == 0
        assert gist(waiting(await one.join(since=alice.start.position)))[-1] == "user_joined alice"


async def test_room_that_could_not_be_opened_is_forgotten_without_unsubscribing() -> None:
    async with instance(SHORT) as one:
        one.link.away = True
        with pytest.raises(Unavailable):
            await one.join()
        one.link.away = False
        await asyncio.sleep(SHORT.presence_ttl_s + 2.0)
        assert one.link.calls["unsubscribe"] == 0
        assert (await one.join()).start.position.offset == 0


async def test_store_that_is_away_stops_no_clock(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rtlab.hub")
    async with instance() as one:
        alice = await one.join("alice", ttl_s=10.0)
        one.link.away = True
        await asyncio.sleep(12.0)
        assert alice.ended
        assert "backplane is away" in caplog.text
        one.link.away = False
        await one.say("well again")
