"""Leases of polls: taken, renewed, doubted, left to run on, and given back."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import Unavailable
from tests.core.instances import ROOM, frame, gist, instance, settled, waiting
from tests.core.parked import SHORT, parked


async def test_leave_takes_the_lease_so_that_a_poll_must_attach_anew() -> None:
    async with instance() as one:
        bob = await one.join("bob")
        subscription, _ = await parked(one)
        at = await one.say("1")
        await settled()
        await one.hub.leave(one.who(), ROOM)
        assert one.hub.resume(subscription, at) is None
        assert gist(waiting(bob)) == ["user_joined bob", "user_joined alice", "1", "user_left alice"]


@pytest.mark.parametrize("case", ["somebody left", "the backplane was away"])
async def test_who_was_vouched_for_is_looked_at_anew_once_leases_are_in_doubt(case: str) -> None:
    async with instance(SHORT) as one:
        bob = await one.join("bob")
        subscription, _ = await parked(one)
        at = await one.say("1")
        await settled()
        assert one.hub.resume(subscription, at) == ()
        assert one.hub.withdraw(subscription)
        if case == "somebody left":
            await one.hub.detach(bob)
        else:
            one.hub.doubt(None)
        at, _ = await one.hub.members(ROOM)
        assert one.hub.resume(subscription, at) is None


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
