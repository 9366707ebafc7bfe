"""The conformance kit: what every backplane must do, as functions of a bench. `test_conformance` runs them all."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence

import pytest

from core import wire
from core.backplane.base import Backplane, Lease
from core.errors import RateLimited
from core.model import Draft, Event, Position, RoomId, Unrecoverable, UserId
from core.settings import Settings
from tests.core.backplane.bench import Bench, listening
from tests.core.clock import WALL_START_S

ROOM, ATTIC = RoomId("lobby"), RoomId("attic")
ALICE, BOB = UserId("alice"), UserId("bob")
FREE = Settings(rate_per_s=0.0)

Check = Callable[[Bench], Awaitable[None]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Make a function part of the kit."""
    CHECKS.append(function)
    return function


def chat(content: str, user: UserId = ALICE, ref: str | None = None) -> Draft:
    return wire.draft("chat", user, int(WALL_START_S * 1000), content, ref)


async def read(backplane: Backplane, since: Position) -> Sequence[Event]:
    """The history after a position, which must be recoverable."""
    history = await backplane.history(ROOM, since)
    assert not isinstance(history, Unrecoverable), history
    return history


async def reported(backplane: Backplane, since: Position) -> list[tuple[str, str]]:
    """Type and user of each event after a position."""
    events = [(event.kind, json.loads(event.body)) for event in await read(backplane, since)]
    assert all(kind == body["type"] for kind, body in events)
    return [(body["type"], body["userId"]) for _, body in events]


@check
async def offsets_run_from_one_and_each_event_is_delivered(bench: Bench) -> None:
    backplane = bench.instance(FREE)
    async with listening(backplane, ROOM) as recorder:
        head, _ = await backplane.members(ROOM)
        assert head.offset == 0
        assert re.fullmatch(r"[A-Za-z0-9]{8,32}", head.epoch)
        for number in range(1, 6):
            published = await backplane.publish(ROOM, chat(f"m{number}"))
            assert published.position == Position(head.epoch, number)
            assert not published.repeated
        assert await recorder.offsets(ROOM, 5) == [1, 2, 3, 4, 5]
        assert backplane.available


@check
async def event_is_the_contracts_json_with_its_own_id(bench: Bench) -> None:
    backplane = bench.instance(FREE)
    async with listening(backplane, ROOM) as recorder:
        published = await backplane.publish(ROOM, chat("&lt;héllo&gt;\n", ref="r1"))
        await recorder.offsets(ROOM, 1)
        (room, event), *_ = recorder.delivered
        assert room == ROOM
        assert (event.position, event.kind) == (published.position, "chat")
        assert json.loads(event.body) == {
            "type": "chat",
            "room": "lobby",
            "userId": "alice",
            "content": "&lt;héllo&gt;\n",
            "ref": "r1",
            "timestamp": int(WALL_START_S * 1000),
            "id": str(published.position),
        }
        assert await read(backplane, Position(event.position.epoch, 0)) in ((event,), [event])


@check
async def subscribe_returns_the_head_that_deliveries_continue(bench: Bench) -> None:
    backplane = bench.instance(FREE)
    async with listening(backplane) as recorder:
        await backplane.publish(ROOM, chat("before"))
        head = await backplane.subscribe(ROOM)
        assert head.offset == 1
        await backplane.publish(ROOM, chat("after"))
        assert 2 in await recorder.offsets(ROOM, 1)
        assert [event.position.offset for event in await read(backplane, head)] == [2]
        await backplane.unsubscribe(ROOM)


@check
async def every_instance_receives_who_has_left(bench: Bench) -> None:
    here, there = bench.instance(FREE), bench.instance(FREE)
    async with listening(here, ROOM) as one, listening(there, ROOM) as other:
        await here.dismiss(ROOM, "0123abcd")
        assert set(await one.dismissals()) == set(await other.dismissals()) == {(ROOM, "0123abcd")}
        await here.publish(ROOM, chat("goes on"))
        assert await other.offsets(ROOM, 1) == [1]


@check
async def rooms_have_their_own_offsets_and_epochs(bench: Bench) -> None:
    backplane = bench.instance(FREE)
    async with listening(backplane, ROOM, ATTIC):
        first = await backplane.publish(ROOM, chat("a"))
        second = await backplane.publish(ATTIC, chat("a"))
        assert (first.position.offset, second.position.offset) == (1, 1)
        assert first.position.epoch != second.position.epoch


@check
async def history_continues_a_position_or_says_why_not(bench: Bench) -> None:
    backplane = bench.instance(Settings(rate_per_s=0.0, history_events=3))
    async with listening(backplane, ROOM):
        epoch = (await backplane.publish(ROOM, chat("1"))).position.epoch
        for content in "2345":
            await backplane.publish(ROOM, chat(content))
        head, begin = Position(epoch, 5), Position(epoch, 2)
        assert [event.position.offset for event in await read(backplane, begin)] == [3, 4, 5]
        assert not await read(backplane, head)
        assert await backplane.history(ROOM, Position(epoch, 1)) == Unrecoverable("history_evicted", head, begin)
        assert await backplane.history(ROOM, Position(epoch, 6)) == Unrecoverable("position_ahead", head, begin)
        assert await backplane.history(ROOM, Position("foreign00", 5)) == Unrecoverable("epoch_changed", head, begin)


@check
async def history_forgets_by_age_and_keeps_the_head(bench: Bench) -> None:
    backplane = bench.instance(Settings(rate_per_s=0.0, history_s=0.5, presence_ttl_s=60.0))
    async with listening(backplane, ROOM):
        await backplane.hold(Lease(ROOM, ALICE, "tab"), 60.0)
        old = (await backplane.publish(ROOM, chat("old"))).position
        await bench.advance(0.6)
        young = (await backplane.publish(ROOM, chat("young"))).position
        assert await backplane.history(ROOM, Position(old.epoch, 0)) == Unrecoverable("history_evicted", young, old)
        assert [event.position for event in await read(backplane, old)] == [young]
        await bench.advance(0.6)
        await backplane.sweep()
        assert await backplane.history(ROOM, old) == Unrecoverable("history_evicted", young, young)
        assert not await read(backplane, young)


@check
async def retry_is_answered_with_the_first_position_and_stored_once(bench: Bench) -> None:
    backplane = bench.instance(FREE)
    async with listening(backplane, ROOM) as recorder:
        first = await backplane.publish(ROOM, chat("hi", ref="r1"))
        again = await backplane.publish(ROOM, chat("hi", ref="r1"))
        assert again.repeated
        assert again.position == first.position
        others = [chat("ho", ref="r1"), chat("hi", ref="r2"), chat("hi", user=BOB, ref="r1"), chat("hi")]
        for offset, other in enumerate(others, start=2):
            published = await backplane.publish(ROOM, other)
            assert (published.repeated, published.position.offset) == (False, offset)
        assert await recorder.offsets(ROOM, 5) == [1, 2, 3, 4, 5]


@check
async def retry_of_what_history_forgot_is_stored_anew(bench: Bench) -> None:
    backplane = bench.instance(Settings(rate_per_s=0.0, history_events=2))
    async with listening(backplane, ROOM):
        for content in "123":
            await backplane.publish(ROOM, chat(content, ref="r1"))
        await backplane.sweep()
        published = await backplane.publish(ROOM, chat("1", ref="r1"))
        assert (published.repeated, published.position.offset) == (False, 4)
        assert (await backplane.publish(ROOM, chat("3", ref="r1"))).repeated


@check
async def limit_is_per_user_over_rooms_and_instances(bench: Bench) -> None:
    settings = Settings(rate_per_s=1.0, burst=3)
    one, two = bench.instance(settings), bench.instance(settings)
    async with listening(one, ROOM), listening(two, ROOM):
        first = await one.publish(ROOM, chat("1", ref="r1"))
        await two.publish(ATTIC, chat("2"))
        await two.publish(ROOM, chat("3"))
        with pytest.raises(RateLimited) as refusal:
            await one.publish(ROOM, chat("refused"))
        assert refusal.value.retry_after_ms is not None
        assert 0 < refusal.value.retry_after_ms <= 1000
        assert (await two.publish(ROOM, chat("1", ref="r1"))).position == first.position  # a retry takes no token
        other = await one.publish(ROOM, chat("bob's", user=BOB))
        assert other.position.offset == 3  # what was refused took no offset
        await bench.advance(refusal.value.retry_after_ms / 1000 + 0.001)
        assert (await two.publish(ROOM, chat("4"))).position.offset == 4


@check
async def instances_that_publish_at_once_agree_on_one_order(bench: Bench) -> None:
    one, two = bench.instance(FREE), bench.instance(FREE)
    async with listening(one, ROOM) as here, listening(two, ROOM) as there:
        start = await one.subscribe(ROOM)
        published = await asyncio.gather(
            *(
                instance.publish(ROOM, chat(f"{name}{number}"))
                for number in range(20)
                for name, instance in (("a", one), ("b", two))
            )
        )
        assert sorted(each.position.offset for each in published) == list(range(1, 41))
        assert sorted(await here.offsets(ROOM, 40)) == sorted(await there.offsets(ROOM, 40)) == list(range(1, 41))
        ours, theirs = await read(one, start), await read(two, start)
        assert [event.body for event in ours] == [event.body for event in theirs]
        assert [event.position.offset for event in ours] == list(range(1, 41))
        delivered = {event.position: event.body for _, event in (*here.delivered, *there.delivered)}
        assert delivered == {event.position: event.body for event in ours}


@check
async def what_an_instance_appends_is_counted_joins_included(bench: Bench) -> None:
    backplane = bench.instance(FREE)
    async with listening(backplane, ROOM):
        lease = Lease(ROOM, ALICE, "tab")
        await backplane.hold(lease, 60.0)
        await backplane.publish(ROOM, chat("hi", ref="r1"))
        await backplane.publish(ROOM, chat("hi", ref="r1"))
        await backplane.release(lease)
        assert backplane.appended == 3


@check
async def empty_room_is_freed_and_begins_another_life(bench: Bench) -> None:
    backplane = bench.instance(Settings(rate_per_s=0.0, history_s=0.4))
    async with listening(backplane):
        lease = Lease(ROOM, ALICE, "tab")
        await backplane.hold(lease, 60.0)
        last = (await backplane.publish(ROOM, chat("hi"))).position
        await bench.advance(0.9)
        await backplane.sweep()
        assert (await backplane.members(ROOM))[0] == last  # somebody is there: the room lives, its history does not
        await backplane.release(lease)
        await bench.advance(0.9)
        await backplane.sweep()
        await backplane.sweep()
        await bench.advance(0.9)
        head, members = await backplane.members(ROOM)
        assert head.epoch != last.epoch
        assert (head.offset, list(members)) == (0, [])
        assert await backplane.history(ROOM, last) == Unrecoverable("epoch_changed", head, head)
