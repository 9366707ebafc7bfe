"""Polls that are answered together: built once, admitted again by position, and counted while they wait."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from core.errors import ShuttingDown
from core.model import Position
from core.settings import Settings
from tests.core.instances import ROOM, decoded, frame, gist, instance, settled, waiting
from tests.transports.direct.hub.held import SHORT, after, delivered, held, resume, withdraw
from transports.direct.returns import Returns


async def test_held_poll_is_answered_once_with_all_that_came_in_a_turn() -> None:
    async with instance() as one:
        subscription, sink = await held(one)
        assert one.hub.stats.connections["poll"] == 1
        for content in "12":
            await one.say(content)
        await settled()
        await one.say("after the answer")
        await settled()
        assert delivered(sink) == ["1", "2", "answer"]
        assert one.hub.stats.connections["poll"] == 0
        assert not subscription.ended


async def test_answered_poll_is_admitted_again_with_what_it_missed() -> None:
    async with instance() as one:
        subscription, sink = await held(one)
        at = await one.say("1")
        await settled()
        await one.say("2")
        missed = resume(one, subscription, at)
        assert missed is not None
        assert gist(decoded(missed)) == ["2"]
        assert resume(one, subscription, after(missed)) == []
        assert one.hub.stats.connections["poll"] == 1
        await one.say("3")
        await settled()
        assert delivered(sink) == ["1", "answer", "3", "answer"]
        assert one.hub.stats.resumes == {"recovered": 2}


async def test_poll_that_comes_back_in_the_middle_of_a_turn_receives_each_event_once() -> None:
    async with instance() as one:
        first, _ = await held(one)
        other, other_sink = await held(one)
        at = await one.say("1")
        await settled()
        assert resume(one, first, at) == []
        await one.say("2")  # waits for the end of the turn, for `first`
        head, _ = await one.hub.members(ROOM)
        assert resume(one, other, head) == []
        await one.say("3")
        await settled()
        assert delivered(other_sink) == ["1", "answer", "3", "answer"]


async def test_withdrawn_poll_receives_nothing_until_it_is_resumed() -> None:
    async with instance() as one:
        subscription, sink = await held(one)
        assert withdraw(one, subscription)
        assert one.hub.stats.connections["poll"] == 0
        at = await one.say("1")
        await settled()
        assert delivered(sink) == []
        assert not withdraw(one, subscription)
        assert resume(one, subscription, at) == []
        assert one.hub.stats.connections["poll"] == 1


async def test_poll_withdrawn_as_something_comes_has_been_sent_it() -> None:
    async with instance() as one:
        subscription, sink = await held(one)
        await one.say("1")
        assert not withdraw(one, subscription)
        assert delivered(sink) == ["1", "answer"]
        assert one.hub.stats.connections["poll"] == 0


@pytest.mark.parametrize("case", ["foreign", "ahead", "far behind", "long ago", "expired", "draining", "stale lease"])
async def test_only_a_new_attach_can_tell(case: str) -> None:
    limits = Settings(rate_per_s=0.0, presence_ttl_s=6.0, history_s=1.0) if case == "long ago" else SHORT
    async with instance(limits) as one:
        subscription, _ = await held(one)
        at = await one.say("1")
        await settled()
        for number in range(300 if case == "far behind" else 1):
            await one.say(str(number))
        if case == "foreign":
            at = Position("foreign00", at.offset)
        elif case == "ahead":
            at = Position(at.epoch, at.offset + 5)
        elif case == "long ago":
            await asyncio.sleep(0.95)
            await one.hub.attach(one.who(), ROOM, "poll", frame, poller=True)
            await asyncio.sleep(0.5)  # the history is one second long then
        elif case == "expired":
            await asyncio.sleep(4000.0)
        elif case == "draining":
            one.hub.drain()
        elif case == "stale lease":
            await asyncio.sleep(0.5 * SHORT.presence_ttl_s)
            at, _ = await one.hub.members(ROOM)
        assert resume(one, subscription, at) is None


async def test_polls_that_come_back_without_a_wait_keep_their_lease() -> None:
    async with instance(SHORT) as one:
        subscription, _ = await held(one)
        at = await one.say("0")
        await settled()
        for number in range(20):
            await asyncio.sleep(0.3 * SHORT.presence_ttl_s)
            await one.say(str(number))
            missed = resume(one, subscription, at)
            assert missed, "a lease that is due for renewal is seen to beside"
            at = after(missed)
        _, members = await one.hub.members(ROOM)
        assert [member.user_id for member in members] == ["alice"]


async def test_listener_that_polls_again_while_it_listens_is_sent_the_full_way() -> None:
    async with instance() as one:
        subscription, _ = await held(one)
        at, _ = await one.hub.members(ROOM)
        assert resume(one, subscription, at) is None


async def test_one_far_behind_is_answered_in_portions() -> None:
    async with instance() as one:
        subscription, _ = await held(one)
        at = await one.say("1")
        await settled()
        for _ in range(100):
            await one.say("x" * 4000)
        portions = []
        while missed := resume(one, subscription, at):
            portions.append(len(missed))
            at = after(missed)
        assert portions == [16] * 6 + [4], "64 KiB, and the event that fills them"


async def test_many_who_were_sent_the_same_return_together() -> None:
    async with instance() as one:
        polls = [await held(one) for _ in range(3)]
        subscriptions = [subscription for subscription, _ in polls]
        at = await one.say("1")
        await settled()
        assert not Returns(one.hub).resume_all(subscriptions, at)
        assert one.hub.stats.connections["poll"] == 3
        assert one.hub.stats.resumes == {"recovered": 3}
        await one.say("2")
        await settled()
        assert [delivered(sink) for _, sink in polls] == [["1", "answer", "2", "answer"]] * 3


@pytest.mark.parametrize(
    "case", ["foreign", "behind", "waits already", "waits for part", "stale lease", "expired", "draining", "nobody"]
)
async def test_those_whom_only_a_look_at_each_can_let_in_are_given_back(case: str) -> None:
    async with instance(SHORT) as one:
        subscriptions = [(await held(one))[0] for _ in range(3)]
        odd = subscriptions[2:]
        at = await one.say("1")
        await settled()
        left = subscriptions
        if case == "foreign":
            at = Position("foreign00", at.offset)
        elif case == "behind":
            await one.say("2")
        elif case == "waits already":
            assert resume(one, odd[0], at) == []
        elif case == "waits for part":
            assert resume(one, subscriptions[0], at) == []
            now = await one.say("2")
            assert resume(one, odd[0], now) == []
            subscriptions = left = subscriptions[1:]
        elif case == "stale lease":
            await asyncio.sleep(0.25 * SHORT.presence_ttl_s)
            odd[0].lease = replace(odd[0].lease, name="poll-of-another-token")
            left = odd
        elif case == "expired":
            await asyncio.sleep(4000.0)
        elif case == "draining":
            one.hub.drain()
        else:
            subscriptions = left = []
        assert list(Returns(one.hub).resume_all(subscriptions, at)) == left
        assert one.hub.stats.connections["poll"] == len(list(one.hub._channels.subscriptions()))


async def test_room_whose_pollers_are_always_on_their_way_back_stays_followed() -> None:
    async with instance(Settings(rate_per_s=0.0, presence_ttl_s=600.0)) as one:
        subscription, _ = await held(one)
        at = await one.say("0")
        await settled()
        for number in range(12):
            await one.say(str(number))
            await asyncio.sleep(0.5)
            missed = resume(one, subscription, at)
            assert missed
            at = after(missed)
        assert one.link.followed[ROOM] == 1


async def test_poll_of_a_room_that_was_unfollowed_is_not_resumed() -> None:
    async with instance(Settings(rate_per_s=0.0, presence_ttl_s=600.0)) as one:
        subscription, _ = await held(one)
        at = await one.say("1")
        await settled()
        await asyncio.sleep(5.0)
        assert one.link.followed[ROOM] == 0
        assert resume(one, subscription, at) is None
        assert not withdraw(one, subscription)
        await one.join("bob", since=at)
        assert resume(one, subscription, at) is None
        assert not withdraw(one, subscription)


async def test_resync_answers_a_held_poll_and_counts_it_no_longer() -> None:
    async with instance() as one:
        _, sink = await held(one)
        one.link.store.lose()
        await one.say("new life")
        await settled()
        assert delivered(sink) == ["resync", "answer"]
        assert one.hub.stats.connections["poll"] == 0


async def test_drain_answers_held_polls() -> None:
    async with instance() as one:
        subscription, sink = await held(one)
        one.hub.drain()
        assert isinstance(sink.reason, ShuttingDown)
        assert subscription.ended


async def test_leave_takes_the_lease_so_that_a_poll_must_attach_anew() -> None:
    async with instance() as one:
        bob = await one.join("bob")
        subscription, _ = await held(one)
        at = await one.say("1")
        await settled()
        await one.hub.leave(one.who(), ROOM)
        assert resume(one, subscription, at) is None
        assert gist(waiting(bob)) == ["user_joined bob", "user_joined alice", "1", "user_left alice"]


@pytest.mark.parametrize("case", ["somebody left", "the backplane was away"])
async def test_a_token_and_lease_that_were_good_are_looked_at_again_in_the_leases_next_generation(case: str) -> None:
    async with instance(SHORT) as one:
        bob = await one.join("bob")
        subscription, _ = await held(one)
        at = await one.say("1")
        await settled()
        assert resume(one, subscription, at) == []
        assert withdraw(one, subscription)
        if case == "somebody left":
            await one.hub.detach(bob)
        else:
            one.hub.may_have_missed(None)
        at, _ = await one.hub.members(ROOM)
        assert resume(one, subscription, at) is None
