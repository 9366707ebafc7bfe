"""The Redis backplane while Redis is away, and after it came back: as it was, or empty."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.backplane.base import Lease
from core.backplane.redis import RedisBackplane
from core.errors import Unavailable
from core.model import Position, Unrecoverable
from loadtests.run.own_redis import find_redis
from tests.conftest import missing
from tests.contracts.kit.redis_server import RedisProcess
from tests.core.backplane.bench import PATIENCE_S, listening
from tests.core.backplane.kit import ALICE, FREE, ROOM, chat, read
from tests.faults.proxy import Chaos, Proxy


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """A Redis of this test's own, not started yet."""
    program = find_redis()
    if program is None:
        missing("redis-server")
    assert program is not None
    process = RedisProcess(program, tmp_path)
    yield process
    process.stop()


async def until_available(backplane: RedisBackplane, *, available: bool = True) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while backplane.available is not available:  # noqa: ASYNC110  it is a state of two connections, not an event
            await asyncio.sleep(0.01)


async def test_every_call_says_so_while_redis_is_away(redis: RedisProcess) -> None:
    backplane, lease = RedisBackplane(redis.url, FREE), Lease(ROOM, ALICE, "tab")
    async with listening(backplane):
        assert not backplane.available
        calls = [
            backplane.subscribe(ROOM),
            backplane.publish(ROOM, chat("hi")),
            backplane.history(ROOM, Position("abcdefgh", 1)),
            backplane.hold(lease, 1.0),
            backplane.renew([lease], 1.0),
            backplane.prolong([lease], 1.0),
            backplane.release(lease),
            backplane.members(ROOM),
            backplane.sweep(),
        ]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * len(calls)
        assert backplane.rooms == 0
        redis.start()
        await until_available(backplane)
        assert (await backplane.publish(ROOM, chat("hi"))).position.offset == 1


async def test_redis_that_comes_back_empty_is_another_life(redis: RedisProcess) -> None:
    redis.start()
    backplane = RedisBackplane(redis.url, FREE)
    async with listening(backplane, ROOM) as recorder:
        before = (await backplane.publish(ROOM, chat("before"))).position
        await recorder.offsets(ROOM, 1)
        recorder.doubted.clear()
        redis.stop()
        await until_available(backplane, available=False)
        with pytest.raises(Unavailable):
            await backplane.publish(ROOM, chat("lost"))
        redis.start()
        await until_available(backplane)
        after = (await backplane.publish(ROOM, chat("after"))).position
        assert after.offset == 1
        assert after.epoch != before.epoch
        begin = Position(after.epoch, 0)
        assert await backplane.history(ROOM, before) == Unrecoverable("epoch_changed", after, begin)
        assert [event.position for event in await read(backplane, begin)] == [after]
        async with asyncio.timeout(PATIENCE_S):
            while (ROOM, after) not in [(room, event.position) for room, event in recorder.delivered]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert recorder.doubted  # what was missed meanwhile can only be known from history


async def test_publish_whose_connection_breaks_has_one_outcome(redis: RedisProcess) -> None:
    redis.start()
    backplane = RedisBackplane(redis.url, FREE)
    async with listening(backplane, ROOM):
        start = await backplane.subscribe(ROOM)

        async def cut_connections() -> None:
            for _ in range(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", redis.port)
                writer.write(b"CLIENT KILL TYPE normal SKIPME yes\r\n")
                await reader.readline()
                writer.close()
                await writer.wait_closed()
                await asyncio.sleep(0.03)

        async def publish(number: int) -> int | None:
            await asyncio.sleep(number * 0.002)
            try:
                return (await backplane.publish(ROOM, chat(f"m{number}", ref=f"r{number}"))).position.offset
            except Unavailable:
                return None

        offsets, _ = await asyncio.gather(asyncio.gather(*map(publish, range(100))), cut_connections())
        stored = [offset for offset in offsets if offset is not None]
        history = await backplane.history(ROOM, start)
        assert not isinstance(history, Unrecoverable)
        assert sorted(stored) == [event.position.offset for event in history]
        assert len(stored) > 0


async def test_redis_half_a_second_away_is_near_enough(redis: RedisProcess) -> None:
    redis.start()
    async with Proxy(redis.port, Chaos(delay_s=0.25), random.Random(1)).running() as proxy:
        backplane = RedisBackplane(f"redis://127.0.0.1:{proxy.port}/0", FREE)
        async with listening(backplane, ROOM) as recorder:
            assert backplane.available
            await asyncio.gather(backplane.hold(Lease(ROOM, ALICE, "tab"), 60.0), backplane.publish(ROOM, chat("hi")))
            assert await recorder.offsets(ROOM, 2) == [1, 2]
            assert backplane.available
