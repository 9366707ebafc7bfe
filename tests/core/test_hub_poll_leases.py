"""Leases of polls: taken, renewed, doubted, left to run on, and given back."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from core.errors import Unavailable
from core.settings import Settings
from tests.core.instances import ROOM, frame, gist, instance, instances, present, settled, waiting

SHORT: Final = Settings(rate_per_s=0.0, presence_ttl_s=6.0)


async def test_lease_of_a_busy_poller_is_renewed_now_and_then_only() -> None:
    async with instance(SHORT) as one:
        who, since = one.who(), None
        for _ in range(60):
            subscription = await one.hub.attach(who, ROOM, "poll", frame, since=since, poller=True)
            since = subscription.start.position
            await one.hub.detach(subscription)
            await asyncio.sleep(0.1)
        assert one.link.calls["hold"] + one.link.calls["prolong"] < 20
        _, members = await one.hub.members(ROOM)
        assert [member.user_id for member in members] == ["alice"]


async def test_poller_goes_on_reading_while_the_store_is_away() -> None:
    async with instance(SHORT) as one:
        who = one.who()
        first = await one.hub.attach(who, ROOM, "poll", frame, poller=True)
        await one.hub.detach(first)
        head, _ = await one.hub.members(ROOM)
        one.link.away = True
        await asyncio.sleep(1.5)
        again = await one.hub.attach(who, ROOM, "poll", frame, since=head, poller=True)
        assert again.start.recovered
        await one.hub.detach(again)
        one.link.away = False


async def test_poller_that_left_elsewhere_is_held_anew_by_its_next_poll() -> None:
    async with instance(SHORT) as one:
        bob, who = await one.join("bob"), one.who()
        subscription = await one.hub.attach(who, ROOM, "poll", frame, poller=True)
        await one.hub.detach(subscription)
        await one.link.store.rooms.release(subscription.lease)  # by a leave on another instance
        await settled()
        await one.hub.attach(who, ROOM, "poll", frame, poller=True)
        expected = ["user_joined bob", "user_joined alice", "user_left alice", "user_joined alice"]
        assert gist(waiting(bob)) == expected


async def test_poller_that_left_elsewhere_is_held_anew_also_while_its_user_stays_by_another_token() -> None:
    async with instances(2, SHORT) as (here, elsewhere):
        await elsewhere.join("alice")
        who = here.who("alice", 1800.0)
        await here.hub.detach(await here.hub.attach(who, ROOM, "poll", frame, poller=True))
        assert await present(here) == {"alice": 2}
        await elsewhere.hub.leave(who, ROOM)
        await settled()
        assert await present(here) == {"alice": 1}
        await here.hub.detach(await here.hub.attach(who, ROOM, "poll", frame, poller=True))
        assert await present(here) == {"alice": 2}


async def test_new_poller_is_refused_while_the_store_is_away() -> None:
    async with instance(SHORT) as one:
        await one.join("bob")
        one.link.away = True
        with pytest.raises(Unavailable):
            await one.hub.attach(one.who(), ROOM, "poll", frame, poller=True)
        assert one.hub.stats.connections["poll"] == 0
        one.link.away = False


async def test_long_held_poll_lets_its_lease_run_on_from_its_end() -> None:
    async with instance(SHORT) as one:
        bob = await one.join("bob")
        poll = await one.hub.attach(one.who(), ROOM, "poll", frame, poller=True)
        await asyncio.sleep(3 * SHORT.presence_ttl_s)
        await one.hub.detach(poll)
        await asyncio.sleep(SHORT.presence_ttl_s - 0.5)
        assert "user_left alice" not in gist(waiting(bob))
        await asyncio.sleep(2.0)
        assert gist(waiting(bob)) == ["user_left alice"]
