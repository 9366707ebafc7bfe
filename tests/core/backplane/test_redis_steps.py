"""Redis's clock is set while users are connected: nobody leaves whose lease is renewed, and ghosts leave in time."""

from __future__ import annotations

import asyncio

import pytest
from redis import Redis

from core.backplane import redis_scripts
from core.backplane.base import Lease
from core.backplane.redis import RedisBackplane
from core.backplane.redis_clock import RedisClock
from core.model import Member
from core.settings import Settings
from tests.core.backplane.bench import listening
from tests.core.backplane.kit import ALICE, BOB, ROOM, chat, reported

STEP = "test:step"  # seconds by which Redis's clock has been set, as the scripts see it
TIME = f"(function() local t = redis.call('TIME'); return {{t[1] + (redis.call('GET', '{STEP}') or 0), t[2]}} end)()"
ID = f"""(function()
  local t, last = {TIME}, redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local ms = math.max(t[1] * 1000 + math.floor(t[2] / 1000), last and string.match(last[1], '^%d+') or 0)
  return string.format('%d-%d', ms, redis.call('INCR', 'test:ids'))
end)()"""  # what Redis makes of `*`, by that clock
LONG_S = 30.0
LIMITS = Settings(rate_per_s=5.0, burst=5)


def set_by_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the scripts read a clock that a test sets, and name events after it."""
    for name, source in redis_scripts.SCRIPTS.items():
        stepped = source.replace("redis.call('TIME')", TIME)
        monkeypatch.setitem(redis_scripts.SCRIPTS, name, stepped if name == "probe" else stepped.replace("'*'", ID))


@pytest.fixture
def redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Redis:
    """Of an empty Redis, whose scripts read a clock that a test sets."""
    set_by_tests(monkeypatch)
    client = Redis.from_url(redis_url)
    client.flushall()
    return client


@pytest.mark.parametrize("step_s", [60, -60])
@pytest.mark.parametrize("first", ["sweep", "renewal", "join", "publish"])
async def test_who_renews_stays_and_ghosts_leave_in_time(redis_url: str, redis: Redis, step_s: int, first: str) -> None:
    one, two = RedisBackplane(redis_url, LIMITS), RedisBackplane(redis_url, LIMITS)
    stays, ghost = Lease(ROOM, ALICE, "stays"), Lease(ROOM, BOB, "ghost")
    async with listening(one, ROOM), listening(two, ROOM):
        start = await one.subscribe(ROOM)
        await two.hold(ghost, 0.4)
        await one.hold(stays, LONG_S)
        for instance in (one, two):
            await instance.sweep()
        redis.set(STEP, step_s)
        if first == "renewal":
            await two.renew([stays], LONG_S)
        elif first == "join":
            await two.hold(Lease(ROOM, ALICE, "another"), LONG_S)
            await two.release(Lease(ROOM, ALICE, "another"))
        elif first == "publish":
            await two.publish(ROOM, chat("hi"))
        for instance in (two, one):
            await instance.sweep()
        await asyncio.sleep(0.4)
        await two.sweep()
        newcomer = RedisBackplane(redis_url, LIMITS)
        async with listening(newcomer):
            await newcomer.sweep()
        assert list((await one.members(ROOM))[1]) == [Member(ALICE, 1)]
        seen = [event for event in await reported(one, start) if event[0] != "chat"]
        assert seen == [("user_joined", "bob"), ("user_joined", "alice"), ("user_left", "bob")]
        until_ms = redis.zscore(f"rtlab:2:0:{{{ROOM}}}:leases", "alice\0stays")
        assert redis.zscore("rtlab:2:due", ROOM) == until_ms
        assert isinstance(until_ms, float)
        left_s = until_ms / 1000 - redis.time()[0]  # of a clock that was not set
        assert 0 < left_s <= 2 * LONG_S + 2


async def test_clock_that_begins_in_1970_is_read_by_the_longer_script(redis_url: str, redis: Redis) -> None:
    redis.set(STEP, 1000 - redis.time()[0])
    backplane = RedisBackplane(redis_url, LIMITS)
    async with listening(backplane, ROOM):
        for offset in (1, 2, 3):
            assert (await backplane.publish(ROOM, chat(f"m{offset}", ref="r"))).position.offset == offset
        again = await backplane.publish(ROOM, chat("m2", ref="r"))
        assert (again.position.offset, again.repeated) == (2, True)


async def test_instance_that_was_away_itself_is_refuted(redis_url: str, redis: Redis) -> None:
    one, slept = RedisBackplane(redis_url, LIMITS), RedisBackplane(redis_url, LIMITS)
    async with listening(one, ROOM), listening(slept, ROOM):
        for instance in (one, slept, one):
            await instance.sweep()
        slept._caller.clock.step_ms = 60_000  # as if its own clock had stood still meanwhile
        await slept.sweep()
        assert redis.hget("rtlab:2:life", "slip") == b"0"
        assert slept._caller.clock.step_ms == 0


def test_step_is_seen_whatever_the_answers_take() -> None:
    now_s = 100.0
    clock = RedisClock(lambda: now_s)
    clock.note(1_000_000, now_s - 0.001)
    now_s = 110.0
    clock.note(1_008_500, now_s - 2.0)  # its call was long on its way: no step
    assert clock.step_ms == 0
    now_s = 111.0
    clock.note(1_011_000, now_s - 0.001)
    now_s = 112.0
    clock.note(1_072_000, now_s - 0.5)
    assert 59_000 <= clock.step_ms <= 60_000
    now_s = 113.0
    clock.note(1_013_000, now_s - 0.001)
    assert -2_000 <= clock.step_ms <= 0
