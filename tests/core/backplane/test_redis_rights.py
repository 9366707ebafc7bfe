"""Rights that Redis withholds, or takes away during operation: what it refuses is neither stored nor delivered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from core.backplane import redis_scripts
from core.backplane.base import Lease
from core.backplane.redis import RedisBackplane
from core.errors import Unavailable
from core.model import Position, RoomId, UserId
from core.settings import Settings
from tests.core.backplane.bench import Recorder, listening
from tests.core.backplane.kit import ALICE, BOB, FREE, chat

COMMANDS = sorted(
    {name for text in redis_scripts.SCRIPTS.values() for name in re.findall(r"(?:redis\.p?call|try)\('(\w+)'", text)}
)
USER = "limited"
RATED = Settings(rate_per_s=1000.0, burst=500)
ALL = ("on", ">pw", "allkeys", "allchannels", "+@all")
LONG_S, GONE_S = 60.0, 0.001

Operation = Callable[[RedisBackplane, RoomId], Awaitable[object]]


def lease(room: RoomId, user: UserId, name: str) -> Lease:
    return Lease(room, user, name)


async def publish(backplane: RedisBackplane, room: RoomId) -> object:
    return await backplane.publish(room, chat("hi", ref="r1"))


async def publish_without_ref(backplane: RedisBackplane, room: RoomId) -> object:
    return await backplane.publish(room, chat("hi"))


async def publish_at_a_rate(backplane: RedisBackplane, room: RoomId) -> object:
    return await backplane.publish(room, chat("hi"))


async def join(backplane: RedisBackplane, room: RoomId) -> None:
    await backplane.hold(lease(room, UserId("carol"), "tab"), LONG_S)


async def second_tab(backplane: RedisBackplane, room: RoomId) -> None:
    await backplane.hold(lease(room, ALICE, "second"), LONG_S)


async def leave(backplane: RedisBackplane, room: RoomId) -> None:
    await backplane.release(lease(room, ALICE, "tab"))


async def close_one_of_two(backplane: RedisBackplane, room: RoomId) -> None:
    await backplane.release(lease(room, BOB, "second"))


async def expiry(backplane: RedisBackplane, room: RoomId) -> None:
    await backplane._room("expire", room, int(LONG_S * 1000))


PUBLISHES = (publish, publish_without_ref, publish_at_a_rate)
OPERATIONS: tuple[Operation, ...] = (*PUBLISHES, join, second_tab, leave, close_one_of_two, expiry)


@pytest.fixture
async def admin(redis_url: str) -> AsyncIterator[Redis]:
    """Gives and takes the rights of `USER`."""
    async with Redis.from_url(redis_url) as client:
        await client.flushall()
        await rights(client, *ALL)
        yield client
        await client.execute_command("ACL", "DELUSER", USER)  # type: ignore[no-untyped-call]


async def rights(admin: Redis, *rules: str) -> None:
    await admin.execute_command("ACL", "SETUSER", USER, *rules)  # type: ignore[no-untyped-call]


def limited(url: str) -> str:
    return url.replace("redis://", f"redis://{USER}:pw@")


@asynccontextmanager
async def inhabited(witness: RedisBackplane, room: RoomId) -> AsyncIterator[None]:
    """A room with alice, bob twice, a ghost whose lease has run out, and one message that is too old to be kept."""
    await witness.subscribe(room)
    for user, name in ((ALICE, "tab"), (BOB, "tab"), (BOB, "second")):
        await witness.hold(lease(room, user, name), LONG_S)
    await witness.hold(lease(room, UserId("ghost"), "tab"), GONE_S)
    await asyncio.sleep(2 * GONE_S)
    yield
    await witness.unsubscribe(room)


async def seen(witness: RedisBackplane, room: RoomId) -> tuple[object, list[bytes]]:
    head, members = await witness.members(room)
    history = await witness.history(room, Position(head.epoch, 0))
    assert isinstance(history, list)
    assert [event.position.offset for event in history] == list(range(1, head.offset + 1))
    return sorted(map(str, members)), [event.body for event in history]


def received(recorder: Recorder, room: RoomId) -> list[bytes]:
    return [event.body for where, event in recorder.delivered if where == room]


async def done_or_refused(operation: Operation, backplane: RedisBackplane, room: RoomId) -> bool:
    try:
        await operation(backplane, room)
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
async def test_what_is_refused_at_run_time_is_not_done_at_all(
    admin: Redis, redis_url: str, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of the scripts is taken away for a moment, and the channels, between two operations."""
    monkeypatch.setattr(redis_scripts, "_KEPT_US", 1)  # each message renews its bucket
    settings = RATED if operation is publish_at_a_rate else FREE
    witness, backplane = RedisBackplane(redis_url, FREE), RedisBackplane(limited(redis_url), settings)
    refused = set()
    async with listening(witness) as recorder, listening(backplane):
        for number, withdrawn in enumerate([*(f"-{name.lower()}" for name in COMMANDS), "resetchannels"]):
            room = RoomId(f"room{number}")
            async with inhabited(witness, room):
                await backplane.subscribe(room)
                await backplane.publish(room, chat("the next one is known to need no upkeep"))
                before = await seen(witness, room)
                await rights(admin, withdrawn)
                done = await done_or_refused(operation, backplane, room)
                after = await seen(witness, room)
                await rights(admin, *ALL)
                if not done:
                    refused.add(withdrawn)
                    assert after == before, withdrawn
                    assert await done_or_refused(operation, backplane, room)
                    after = await seen(witness, room)
                assert (after == before) is False, withdrawn
                await recorder.offsets(room, len(after[1]))
                assert received(recorder, room) == after[1], withdrawn
    silent = operation in (second_tab, close_one_of_two)
    first = {"-hincrby"} if operation in PUBLISHES else {"-time", "-hset"}
    assert ("-set" in refused) is (operation is publish_at_a_rate)
    assert first | (set() if silent else {"resetchannels", "-publish", "-xadd"}) <= refused
