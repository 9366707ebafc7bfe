"""What subscribers receive: from which position, each event once, in order. A slow one costs the others nothing."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import SlowConsumer
from core.model import Position
from core.settings import Settings
from tests.core.instances import ATTIC, decoded, gist, instance, instances, settled, waiting

A_WHILE_S = 31.0  # after which an instance asks the store, and not its own memory, for what came since a position
SMALL = Settings(rate_per_s=0.0, outbox_bytes=1024)


async def test_newcomer_starts_at_the_head_and_receives_its_own_join() -> None:
    async with instance() as one:
        before = await one.say("before")
        alice = await one.join()
        assert (alice.start.position, alice.start.recovered, alice.start.resync) == (before, False, None)
        await one.say("after")
        assert gist(waiting(alice)) == ["user_joined alice", "after"]


async def test_resume_gives_what_was_missed_each_once() -> None:
    async with instance() as one:
        left_at = await one.say("1")
        await one.say("2")
        alice = await one.join(since=left_at)
        await one.say("3")
        assert alice.start.recovered
        assert alice.start.position == left_at
        assert gist(waiting(alice)) == ["2", "user_joined alice", "3"]
        assert one.hub.stats.resumes == {"recovered": 1}


async def test_resume_at_the_head_is_recovered_without_a_history_read() -> None:
    async with instance() as one:
        bob = await one.join("bob")
        head = await one.say("1")
        alice = await one.join(since=head)
        assert alice.start.recovered
        assert gist(waiting(alice)) == ["user_joined alice"]
        assert one.link.calls["history"] == 0
        await one.hub.detach(bob)


@pytest.mark.parametrize(
    ("offset", "foreign", "reason"),
    [(0, False, "history_evicted"), (99, False, "position_ahead"), (3, True, "epoch_changed")],
)
async def test_resume_that_cannot_be_honoured_says_why(offset: int, foreign: bool, reason: str) -> None:
    async with instance(Settings(rate_per_s=0.0, history_events=2)) as one:
        for content in "123":
            head = await one.say(content)
        alice = await one.join(since=Position("foreign00" if foreign else head.epoch, offset))
        assert alice.start.position == head
        assert (alice.start.recovered, alice.start.resync) == (False, reason)
        await one.say("4")
        assert gist(waiting(alice)) == ["user_joined alice", "4"]
        assert one.hub.stats.resumes == {reason: 1}


async def test_resume_soon_after_needs_no_history_read_and_a_later_one_does() -> None:
    async with instance() as one:
        bob = await one.join("bob")
        left_at = await one.say("1")
        await one.say("2")
        soon = await one.join("soon", since=left_at)
        assert one.link.calls["history"] == 0
        await asyncio.sleep(A_WHILE_S)
        late = await one.join("late", since=left_at)
        assert one.link.calls["history"] == 1
        assert gist(waiting(soon)) == ["2", "user_joined soon", "user_joined late"]
        assert gist(waiting(late)) == ["2", "user_joined soon", "user_joined late"]
        await one.hub.detach(bob)


async def test_what_an_instance_remembers_does_not_outlive_a_lost_store() -> None:
    async with instance() as one:
        await one.join("bob")
        left_at = await one.say("1")
        await one.say("2")
        one.link.store.lose()
        position = await one.say("new life")
        await settled()
        alice = await one.join("alice", since=left_at)
        assert alice.start.resync == "epoch_changed"
        carol = await one.join("carol", since=Position(position.epoch, 0))
        assert gist(waiting(carol)) == ["new life", "user_joined alice", "user_joined carol"]


async def test_what_an_instance_remembers_is_never_more_than_the_history_holds() -> None:
    async with instance(Settings(rate_per_s=0.0, history_events=2)) as one:
        await one.join("bob")
        left_at = await one.say("1")
        for content in "234":
            await one.say(content)
        assert (await one.join(since=left_at)).start.resync == "history_evicted"


async def test_what_an_instance_remembers_does_not_bridge_a_gap() -> None:
    async with instances(2, Settings(rate_per_s=0.0, history_events=3)) as (one, two):
        await two.join("bob")
        two.link.held = True
        positions = [await one.say(str(number)) for number in range(10)]
        two.link.in_flight = two.link.in_flight[-1:]
        two.link.held = False
        two.link.hand_on()
        await settled()
        alice = await two.join("alice", since=positions[-2])
        assert gist(waiting(alice)) == ["9", "user_joined alice"]


async def test_what_is_published_while_history_is_read_comes_once() -> None:
    async with instance() as one:
        left_at = await one.say("1")
        await one.say("2")
        await asyncio.sleep(A_WHILE_S)
        one.link.answering = asyncio.Event()
        joining = asyncio.create_task(one.join(since=left_at))
        await settled()
        await one.say("3")
        one.link.answering.set()
        alice = await joining
        await one.say("4")
        assert gist(waiting(alice)) == ["2", "3", "user_joined alice", "4"]


async def test_instances_share_rooms_and_positions() -> None:
    async with instances(2) as (one, two):
        alice, bob = await one.join("alice"), await two.join("bob")
        left_at = await two.say("1")
        await one.hub.detach(alice)
        await one.say("2")
        alice = await two.join("alice", since=left_at)
        assert gist(waiting(bob)) == ["user_joined bob", "1", "user_left alice", "2", "user_joined alice"]
        assert gist(waiting(alice)) == ["user_left alice", "2", "user_joined alice"]


async def test_slow_subscriber_is_cut_and_can_resume() -> None:
    async with instance(SMALL) as one:
        slow, quick = await one.join("slow"), await one.join("quick")
        received = decoded(await slow.take())[-1]["id"]
        contents = [str(number) * 100 for number in range(10)]
        delivered: list[str] = []
        for content in contents:
            await one.say(content)
            delivered += gist(waiting(quick))
        with pytest.raises(SlowConsumer):
            await slow.take()
        assert one.hub.stats.slow_consumers == {"test": 1}
        assert delivered[-10:] == contents
        assert slow.outbox.peak_bytes <= SMALL.outbox_bytes
        await one.hub.detach(slow)
        again = await one.join("slow", since=Position.parse(received))
        assert again.start.recovered
        assert [line for line in gist(waiting(again)) if not line.startswith("user")] == contents


async def test_long_resume_is_never_slow() -> None:
    async with instance(SMALL) as one:
        start = await one.say("0")
        for number in range(1, 900):
            await one.say(f"{number:0200}")
        alice = await one.join(since=start)
        await one.say("live")
        first = await alice.take()
        assert 1 < len(first) < 899  # in portions: a resume holds up nobody's write
        delivered = gist(decoded(first) + waiting(alice))
        assert delivered == [*(f"{number:0200}" for number in range(1, 900)), "user_joined alice", "live"]


async def test_cancelled_take_consumes_nothing() -> None:
    async with instance() as one:
        alice = await one.join()
        waiting(alice)
        taking = asyncio.create_task(alice.take())
        await settled()
        await one.say("1")
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        await one.say("2")
        assert gist(decoded(await alice.take())) == ["1", "2"]


async def test_cut_subscriber_tells_its_writer() -> None:
    async with instance(SMALL) as one:
        slow, delivered = await one.join(), asyncio.Event()
        slow.given_up = delivered.set
        for number in range(10):
            await one.say(str(number) * 100)
        assert delivered.is_set()


async def test_take_waits_for_the_next_event() -> None:
    async with instance() as one:
        alice = await one.join()
        waiting(alice)
        taking = asyncio.create_task(alice.take())
        await settled()
        assert not taking.done()
        await one.say("1")
        await one.say("2")
        assert gist(decoded(await taking)) == ["1", "2"]


async def test_bytes_that_wait_are_counted_over_all_rooms() -> None:
    async with instance() as one:
        alice, bob = await one.join("alice"), await one.join("bob")
        assert one.hub.outbox_bytes == alice.outbox.waiting_bytes + bob.outbox.waiting_bytes > 0
        taken = waiting(alice) + waiting(bob)
        assert one.hub.outbox_bytes == 0
        assert one.hub.stats.deliveries == {"test": len(taken)}


async def test_rooms_are_apart() -> None:
    async with instance() as one:
        alice = await one.join()
        waiting(alice)
        other = one.who("alice")
        await one.hub.post(other, ATTIC, b'{"content":"elsewhere"}')
        await settled()
        assert waiting(alice) == []
