"""What is the Redis backplane's own: known outcomes while Redis comes and goes, and what it leaves in Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from core import wire
from core.backplane.base import Lease
from core.backplane.redis import RedisBackplane
from core.errors import RateLimited, Unavailable
from core.model import Draft, Position, RoomId, Unrecoverable, UserId
from core.settings import Settings
from loadtests.run.own_redis import find_redis
from tests.conftest import missing
from tests.core.backplane.bench import Recorder, listening
from tests.faults.redis_server import MortalRedis
from tests.faults.waiting import until

ROOM, ALICE = RoomId("lobby"), UserId("alice")
FREE = Settings(rate_per_s=0.0)


@pytest.fixture
def url(redis_url: str) -> str:
    """An empty database."""
    with SyncRedis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


def chat(content: str, ref: str | None = None) -> Draft:
    return wire.draft("chat", ALICE, 1, content, ref)


@asynccontextmanager
async def mortal(folder: Path, *, aof: bool = False) -> AsyncIterator[MortalRedis]:
    program = find_redis()
    if program is None:
        missing("redis-server")
    assert program is not None
    redis = MortalRedis(program, folder, aof=aof)
    await redis.start()
    try:
        yield redis
    finally:
        redis.stop()


async def contents(backplane: RedisBackplane, since: Position) -> list[bytes]:
    history = await backplane.history(ROOM, since)
    assert not isinstance(history, Unrecoverable), history
    return [event.body for event in history]


async def test_away_is_refused_at_once_and_reported_when_it_is_back(tmp_path: Path) -> None:
    async with mortal(tmp_path, aof=True) as redis:
        backplane = RedisBackplane(redis.url, FREE)
        async with listening(backplane, ROOM) as recorder:
            first = (await backplane.publish(ROOM, chat("before"))).position
            redis.kill()
            assert await until(lambda: not backplane.available, 5.0)
            await asyncio.sleep(0.6)
            began_s = time.monotonic()
            for call in (backplane.publish(ROOM, chat("x")), backplane.members(ROOM), backplane.sweep()):
                with pytest.raises(Unavailable):
                    await call
            assert time.monotonic() - began_s < 2.0
            recorder.doubted.clear()
            await redis.start()
            assert await until(lambda: backplane.available, 10.0)
            assert None in recorder.doubted
            second = (await backplane.publish(ROOM, chat("after"))).position
            assert second == Position(first.epoch, first.offset + 1)  # the file kept the room
            assert (ROOM, second) in [(room, event.position) for room, event in recorder.delivered] or await until(
                lambda: second in [event.position for _, event in recorder.delivered], 5.0
            )


@pytest.mark.parametrize("already", [0, 1, 62, 300])
@pytest.mark.parametrize("ref", [None, "r"])
async def test_answer_that_was_cut_off_is_found_out(url: str, already: int, ref: str | None) -> None:
    """The script ran, its answer was lost: the publish is neither refused nor done twice."""
    log = f"rtlab:2:0:{{{ROOM}}}:log"
    one, two = RedisBackplane(url, FREE), RedisBackplane(url, FREE)
    async with Redis.from_url(url) as client, listening(one, ROOM), listening(two, ROOM):
        for number in range(already):
            await one.publish(ROOM, chat(f"before{number}"))
        link = one._caller._link
        assert link is not None
        link._wire._replied = lambda reply: None
        publishing = asyncio.create_task(one.publish(ROOM, chat("once", ref)))
        async with asyncio.timeout(1.0):
            while await client.xlen(log) == already:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        for number in range(300):
            await two.publish(ROOM, chat(f"after{number}"))
        assert link._wire._transport is not None
        link._wire._transport.abort()
        published = await publishing
        assert (published.position.offset, published.repeated) == (already + 1, True)
        assert (await one.publish(ROOM, chat("next"))).position.offset == already + 302


async def test_call_in_flight_at_a_frozen_redis_is_refused_and_never_done(tmp_path: Path) -> None:
    async with mortal(tmp_path) as redis:
        backplane = RedisBackplane(redis.url, FREE)
        async with listening(backplane, ROOM) as recorder:
            head, _ = await backplane.members(ROOM)
            redis.freeze()
            in_flight = asyncio.create_task(backplane.publish(ROOM, chat("late")))
            held = asyncio.create_task(backplane.hold(Lease(ROOM, ALICE, "tab"), 60.0))
            assert await until(lambda: not backplane.available, 5.0)
            began_s = time.monotonic()
            with pytest.raises(Unavailable):
                await backplane.publish(ROOM, chat("refused"))
            assert time.monotonic() - began_s < 0.5
            await asyncio.sleep(2.0)
            redis.thaw()
            for call in (in_flight, held):
                with pytest.raises(Unavailable):
                    await call
            assert await until(lambda: backplane.available, 10.0)
            assert await contents(backplane, head) == []
            assert not recorder.delivered


async def test_restart_from_a_snapshot_begins_another_life(tmp_path: Path) -> None:
    """A snapshot may lack what was acknowledged since: going on in the same epoch would give offsets out twice."""
    async with mortal(tmp_path) as redis:
        backplane = RedisBackplane(redis.url, FREE)
        async with listening(backplane, ROOM) as recorder:
            first = (await backplane.publish(ROOM, chat("kept"))).position
            async with redis.client() as client:
                await client.save()
            lost = (await backplane.publish(ROOM, chat("lost"))).position
            recorder.doubted.clear()
            redis.kill()
            await redis.start()
            assert await until(lambda: backplane.available and None in recorder.doubted, 10.0)
            history = await backplane.history(ROOM, lost)
            assert isinstance(history, Unrecoverable)
            assert history.reason == "epoch_changed"
            assert (await backplane.publish(ROOM, chat("new"))).position.epoch != first.epoch


async def test_emptied_database_is_noticed_by_a_sweep(url: str) -> None:
    one, two = RedisBackplane(url, FREE), RedisBackplane(url, FREE)
    async with listening(one, ROOM) as here, listening(two, ROOM) as there:
        position = (await one.publish(ROOM, chat("gone"))).position
        for recorder in (here, there):
            recorder.doubted.clear()
        async with Redis.from_url(url) as client:
            await client.flushall()
        fresh = (await two.publish(ROOM, chat("first of the next life"))).position
        assert fresh.epoch != position.epoch
        await one.sweep()
        await two.sweep()
        assert here.doubted == there.doubted == [None]
        assert (await one.publish(ROOM, chat("second"))).position == Position(fresh.epoch, 2)  # not yet another life
        await one.sweep()
        assert here.doubted == [None]


async def test_scripts_that_redis_forgot_are_sent_again(url: str) -> None:
    backplane = RedisBackplane(url, FREE)
    async with listening(backplane, ROOM):
        async with Redis.from_url(url) as client:
            await client.script_flush()
        assert not (await backplane.publish(ROOM, chat("hi"))).repeated


async def test_deadline_from_a_stale_clock_is_made_anew(url: str) -> None:
    backplane = RedisBackplane(url, FREE)
    async with listening(backplane, ROOM):
        link = backplane._caller._link
        assert link is not None
        link.learn_time(1_000_000)  # as if Redis's clock had been set forward since
        assert not (await backplane.publish(ROOM, chat("hi"))).repeated


async def test_refusal_of_a_script_is_unavailable_and_stores_nothing(url: str) -> None:
    backplane = RedisBackplane(url, FREE)
    async with listening(backplane, ROOM):
        head, _ = await backplane.members(ROOM)
        async with Redis.from_url(url) as client:
            await client.config_set("maxmemory", 1)
            try:
                with pytest.raises(Unavailable):
                    await backplane.publish(ROOM, chat("no room"))
            finally:
                await client.config_set("maxmemory", 0)
        assert await contents(backplane, head) == []


async def test_every_key_has_its_tag_and_its_end(url: str) -> None:
    settings = Settings(rate_per_s=1.0, burst=5)
    backplane = RedisBackplane(url, settings)
    async with Redis.from_url(url) as client, listening(backplane, ROOM):
        await backplane.publish(ROOM, chat("hi", ref="r1"))
        await backplane.hold(Lease(ROOM, ALICE, "tab"), 60.0)
        await backplane.sweep()
        keys = sorted(str(key, "ascii") for key in await client.keys("*") if isinstance(key, bytes))
        tagged = [f"rtlab:2:0:{{lobby}}{part}" for part in ("", ":leases", ":log", ":users")]
        assert keys == sorted(["rtlab:2:due", "rtlab:2:life", "rtlab:2:{user:alice}:bucket", *tagged])
        for key in keys:
            assert 0 < await client.pttl(key) <= (settings.history_s + settings.presence_ttl_s + 86_400) * 1000


async def test_ghost_of_a_room_that_nobody_touches_is_swept(url: str) -> None:
    dead, alive = RedisBackplane(url, FREE), RedisBackplane(url, FREE)
    async with listening(alive, ROOM) as recorder:
        async with listening(dead):
            await dead.hold(Lease(ROOM, ALICE, "ghost"), 0.3)
        await asyncio.sleep(0.4)
        await alive.sweep()
        assert await recorder.offsets(ROOM, 2) == [1, 2]
        assert list((await alive.members(ROOM))[1]) == []
        async with Redis.from_url(url) as client:
            assert await client.zscore("rtlab:2:due", ROOM) is None


async def test_prolong_takes_nothing_back(url: str) -> None:
    backplane = RedisBackplane(url, FREE)
    async with listening(backplane, ROOM):
        lease = Lease(ROOM, ALICE, "poll")
        await backplane.hold(lease, 60.0)
        await backplane.prolong([lease], 60.0)
        await backplane.release(lease)
        await backplane.prolong([lease], 60.0)
        assert list((await backplane.members(ROOM))[1]) == []


async def test_retry_of_an_empty_bucket_is_answered(url: str) -> None:
    backplane = RedisBackplane(url, Settings(rate_per_s=0.5, burst=1))
    async with listening(backplane, ROOM):
        first = await backplane.publish(ROOM, chat("hi", ref="r1"))
        with pytest.raises(RateLimited):
            await backplane.publish(ROOM, chat("ho", ref="r2"))
        again = await backplane.publish(ROOM, chat("hi", ref="r1"))
        assert (again.repeated, again.position) == (True, first.position)


async def test_long_history_is_read_in_pages(url: str) -> None:
    backplane = RedisBackplane(url, FREE)
    async with listening(backplane, ROOM):
        head, _ = await backplane.members(ROOM)
        await asyncio.gather(*(backplane.publish(ROOM, chat(f"m{number}")) for number in range(600)))
        history = await backplane.history(ROOM, head)
        assert not isinstance(history, Unrecoverable)
        assert [event.position.offset for event in history] == list(range(head.offset + 1, head.offset + 601))


async def test_rooms_followed_twice_are_left_twice(url: str) -> None:
    backplane = RedisBackplane(url, FREE)
    async with listening(backplane, ROOM) as recorder:
        await backplane.subscribe(ROOM)
        await backplane.unsubscribe(ROOM)
        assert backplane.rooms == 1
        await backplane.publish(ROOM, chat("received"))
        await recorder.offsets(ROOM, 1)
        await backplane.unsubscribe(ROOM)
        assert backplane.rooms == 0


async def test_starts_without_redis_and_says_so(tmp_path: Path) -> None:
    async with mortal(tmp_path) as redis:
        redis.kill()
        backplane = RedisBackplane(redis.url, FREE)
        async with backplane.running(Recorder()):
            assert not backplane.available
            with pytest.raises(Unavailable):
                await backplane.subscribe(ROOM)
            await redis.start()
            assert await until(lambda: backplane.available, 10.0)
            await backplane.subscribe(ROOM)
