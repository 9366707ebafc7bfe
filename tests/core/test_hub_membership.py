"""Who is in a room: attaching, detaching, leaving and the drain, and failures in the middle of each."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import ShuttingDown, Unauthorized, Unavailable
from core.model import Member, Position, UserId
from tests.core.instances import ROOM, Follower, gist, instance, instances, present, settled, waiting


async def test_tabs_and_instances_count_as_one_user() -> None:
    async with instances(2) as (one, two):
        watcher = await one.join("watcher")
        tabs = [await one.join("alice"), await two.join("alice"), await two.join("alice")]
        assert (await one.hub.members(ROOM))[1] == (Member(UserId("watcher"), 1), Member(UserId("alice"), 3))
        await two.hub.detach(tabs[2])
        await one.hub.detach(tabs[0])
        assert await present(two) == {"watcher": 1, "alice": 1}
        await two.hub.detach(tabs[1])
        assert gist(waiting(watcher)) == ["user_joined watcher", "user_joined alice", "user_left alice"]


async def test_connections_are_counted_until_they_detach() -> None:
    async with instance() as one:
        alice, bob = await one.join("alice"), await one.join("bob")
        assert one.hub.stats.connections == {"test": 2}
        bob.end()
        assert one.hub.stats.connections == {"test": 2}
        await one.hub.detach(bob)
        await one.hub.detach(alice)
        assert one.hub.stats.connections["test"] == 0
        assert alice.ended
        assert await alice.take() != []  # what waited may still be taken
        assert await alice.take() == []


async def test_detached_subscriber_receives_no_more() -> None:
    async with instance() as one:
        alice = await one.join()
        await one.hub.detach(alice)
        waiting(alice)
        await one.say("1")
        assert waiting(alice) == []


async def test_ended_subscriber_is_not_kept_busy_by_its_room() -> None:
    async with instance() as one:
        alice = await one.join()
        waiting(alice)
        await one.say("before")
        alice.end(Unauthorized("expired"))
        alice.end(ShuttingDown("too late to count"))
        await one.say("after")
        alice.send_control(b"{}")
        assert gist(waiting(alice)) == ["before"]
        with pytest.raises(Unauthorized):
            await alice.take()


@pytest.mark.parametrize("call", ["subscribe", "history", "hold"])
async def test_attach_that_fails_leaves_nothing_behind(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with instance() as one:
        first, _ = await one.say("1"), await one.say("2")

        async def fail(*arguments: object) -> None:
            raise Unavailable("the store is away")

        with monkeypatch.context() as patched:
            patched.setattr(one.link, call, fail)
            with pytest.raises(Unavailable):
                await one.join(since=first)
        assert one.hub.stats.connections["test"] == 0
        assert one.hub.stats.resumes == {}
        assert await present(one) == {}
        again = await one.join(since=first)
        assert gist(waiting(again)) == ["2", "user_joined alice"]


async def test_attach_cancelled_while_it_takes_its_lease_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    async with instance() as one:
        bob = await one.join("bob")
        stuck = asyncio.Event()

        async def hang(*arguments: object) -> None:
            await stuck.wait()

        with monkeypatch.context() as patched:
            patched.setattr(one.link, "hold", hang)
            joining = asyncio.create_task(one.join("alice"))
            await settled()
            assert one.hub.stats.connections["test"] == 2
            joining.cancel()
            with pytest.raises(asyncio.CancelledError):
                await joining
        assert one.hub.stats.connections["test"] == 1
        assert await present(one) == {"bob": 1}
        await one.say("goes on")
        assert gist(waiting(bob)) == ["user_joined bob", "goes on"]


async def test_leave_ends_the_tokens_streams_and_polls_but_no_one_elses() -> None:
    async with instance() as one:
        bob, alices_other = await one.join("bob"), await one.join("alice", ttl_s=7200.0)
        stream, poll = await one.join("alice"), await one.join("alice", poller=True)
        assert (await present(one))["alice"] == 3
        await one.hub.leave(one.who("alice"), ROOM)
        assert (stream.ended, poll.ended, alices_other.ended, bob.ended) == (True, True, False, False)
        assert await present(one) == {"bob": 1, "alice": 1}
        for ended in (stream, poll):
            await one.hub.detach(ended)
        assert await present(one) == {"bob": 1, "alice": 1}
        waiting(stream)
        assert await stream.take() == []


async def test_leave_ends_what_the_token_holds_on_other_instances_too() -> None:
    async with instances(2) as (here, there):
        stream, bob = await there.join("alice"), await there.join("bob")
        await here.hub.leave(here.who("alice"), ROOM)
        assert (stream.ended, bob.ended) == (True, False)
        await there.hub.detach(stream)
        assert await present(here) == {"bob": 1}


async def test_leave_between_polls_ends_the_membership_now() -> None:
    async with instance() as one:
        bob, poll = await one.join("bob"), await one.join("alice", poller=True)
        await one.hub.detach(poll)
        await one.hub.leave(one.who("alice"), ROOM)
        await one.hub.leave(one.who("alice"), ROOM)
        assert gist(waiting(bob)) == ["user_joined bob", "user_joined alice", "user_left alice"]


async def test_leave_of_a_room_that_nobody_is_in_is_harmless() -> None:
    async with instance() as one:
        await one.hub.leave(one.who("alice"), ROOM)
        assert await present(one) == {}


async def test_many_who_come_at_once_open_the_room_once() -> None:
    async with instance() as one:
        joined = await asyncio.gather(*(one.join(f"user{number}") for number in range(20)))
        assert one.link.calls["subscribe"] == 1
        head, _ = await one.hub.members(ROOM)
        for follower in map(Follower, joined):
            follower.receive(waiting(follower.subscription))
            assert follower.position == head == Position("epoch0001", 20)


async def test_drain_ends_every_stream_and_refuses_what_is_new() -> None:
    async with instance() as one:
        alice = await one.join()
        await one.say("last")
        one.hub.drain()
        assert gist(waiting(alice)) == ["user_joined alice", "last"]
        with pytest.raises(ShuttingDown) as ending:
            await alice.take()
        assert ending.value.retry_after_ms is not None
        assert 500 <= ending.value.retry_after_ms <= 3000
        for refused in (one.join("bob"), one.say("too late")):
            with pytest.raises(ShuttingDown):
                await refused
        assert await present(one) == {"alice": 1}


async def test_retry_hints_of_a_drain_are_spread() -> None:
    async with instance() as one:
        joined = [await one.join(f"user{number}") for number in range(30)]
        one.hub.drain()
        hints = set()
        for subscription in joined:
            waiting(subscription)
            with pytest.raises(ShuttingDown) as ending:
                await subscription.take()
            hints.add(ending.value.retry_after_ms)
        assert len(hints) > 20


async def test_retry_hints_of_a_drain_are_spread_over_the_time_that_the_others_need_to_admit_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.comeback._JOINS_PER_S", 2)  # 30 clients: 15 s
    async with instance() as one:
        joined = [await one.join(f"user{number}") for number in range(30)]
        one.hub.drain()
        hints_ms = []
        for subscription in joined:
            waiting(subscription)
            with pytest.raises(ShuttingDown) as ending:
                await subscription.take()
            hints_ms.append(ending.value.retry_after_ms or 0)
        assert min(hints_ms) >= 500
        assert 10_000 < max(hints_ms) <= 15_500
        for subscription in joined:
            await one.hub.detach(subscription)
        one.hub.drain()  # once more, by the end of the server
        for _ in range(60):
            with pytest.raises(ShuttingDown) as refusal:
                await one.join()
            hints_ms.append(refusal.value.retry_after_ms or 0)
        assert max(hints_ms[30:]) > 10_000


async def test_drain_that_begins_during_an_attach_ends_it_too() -> None:
    async with instance() as one:
        first = await one.say("1")
        await one.say("2")
        one.link.answering = asyncio.Event()
        joining = asyncio.create_task(one.join(since=first))
        await settled()
        one.hub.drain()
        one.link.answering.set()
        alice = await joining
        assert gist(waiting(alice)) == ["2", "user_joined alice"]
        with pytest.raises(ShuttingDown):
            await alice.take()


async def test_leaving_running_drains() -> None:
    async with instance() as one:
        alice = await one.join()
    assert one.hub.draining
    assert alice.ended


async def test_instances_have_their_own_names() -> None:
    async with instances(2) as (one, two):
        assert one.hub.instance != two.hub.instance
