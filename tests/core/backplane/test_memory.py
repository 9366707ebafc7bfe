"""What is the memory backplane's own: when it frees rooms, and that it forgets what it need not know."""

from __future__ import annotations

import itertools

import pytest

from core.backplane.base import Lease
from core.backplane.memory import MemoryBackplane
from core.model import Position, RoomId, UserId
from core.settings import Settings
from tests.core.backplane.bench import listening
from tests.core.backplane.kit import chat
from tests.core.clock import FakeClock

ROOM, ALICE = RoomId("lobby"), UserId("alice")
SETTINGS = Settings(rate_per_s=0.0, history_s=10.0, history_events=5)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def backplane(clock: FakeClock) -> MemoryBackplane:
    epochs = (f"epoch{number:03}" for number in itertools.count())
    return MemoryBackplane(SETTINGS, clock=clock.monotonic, wall_clock=clock.wall, new_epoch=lambda: next(epochs))


async def test_room_lives_for_its_history_after_the_last_event(backplane: MemoryBackplane, clock: FakeClock) -> None:
    await backplane.publish(ROOM, chat("hi"))
    clock.advance(9.999)
    await backplane.sweep()
    assert backplane.rooms == 1
    clock.advance(0.001)
    await backplane.sweep()
    assert backplane.rooms == 0


async def test_room_is_not_freed_under_a_listener(backplane: MemoryBackplane, clock: FakeClock) -> None:
    async with listening(backplane, ROOM):
        clock.advance(1000.0)
        await backplane.sweep()
        assert backplane.rooms == 1
        assert await backplane.subscribe(ROOM) == Position("epoch000", 0)
        await backplane.unsubscribe(ROOM)
        clock.advance(1000.0)
        await backplane.sweep()
        assert backplane.rooms == 1  # the other subscription stands
        await backplane.unsubscribe(ROOM)
        clock.advance(9.999)
        await backplane.sweep()
        assert backplane.rooms == 1
        clock.advance(0.001)
        await backplane.sweep()
        assert backplane.rooms == 0


async def test_room_is_not_freed_under_a_member(backplane: MemoryBackplane, clock: FakeClock) -> None:
    lease = Lease(ROOM, ALICE, "tab")
    await backplane.hold(lease, 10_000.0)
    clock.advance(1000.0)
    await backplane.sweep()
    assert backplane.rooms == 1
    await backplane.release(lease)
    clock.advance(10.0)
    await backplane.sweep()
    assert backplane.rooms == 0
    await backplane.release(lease)
    assert backplane.rooms == 0


async def test_looking_into_a_room_keeps_nothing_for_long(backplane: MemoryBackplane, clock: FakeClock) -> None:
    for number in range(50):
        await backplane.members(RoomId(f"room{number}"))
        await backplane.history(RoomId(f"other{number}"), Position("foreign00", 1))
    assert backplane.rooms == 100
    clock.advance(10.0)
    await backplane.sweep()
    assert backplane.rooms == 0


async def test_retry_keys_are_forgotten_with_their_events(backplane: MemoryBackplane) -> None:
    for number in range(20):
        await backplane.publish(ROOM, chat("first", ref="first"))  # stored anew whenever history forgot it
        await backplane.publish(ROOM, chat("other", ref=f"r{number}"))
        await backplane.sweep()
        kept = backplane._rooms[ROOM].retries
        assert len(kept) <= SETTINGS.history_events


async def test_instance_that_stopped_running_receives_no_more(backplane: MemoryBackplane) -> None:
    async with listening(backplane, ROOM) as recorder:
        await backplane.publish(ROOM, chat("1"))
    await backplane.publish(ROOM, chat("2"))
    assert [event.position.offset for _, event in recorder.delivered] == [1]
