"""Presence in Redis when much is due at once, and when Redis evicts a part of it."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from core.backplane.base import Lease
from core.backplane.redis import RedisBackplane
from core.model import Member, RoomId, UserId
from core.settings import Settings
from tests.core.backplane.bench import listening
from tests.core.backplane.kit import ALICE, BOB, FREE, ROOM, reported

BRIEF = Settings(rate_per_s=0.0, presence_ttl_s=0.4)
TABS = [Lease(ROOM, ALICE, "one"), Lease(ROOM, ALICE, "two")]
GHOST = Lease(ROOM, BOB, "ghost")


@pytest.fixture
async def client(redis_url: str) -> Redis:
    """Of a Redis that holds nothing."""
    client = Redis.from_url(redis_url)
    await client.flushall()
    return client


async def members(backplane: RedisBackplane) -> list[Member]:
    return sorted((await backplane.members(ROOM))[1], key=lambda member: member.user_id)


async def test_one_sweep_goes_on_until_nothing_is_due(redis_url: str, client: Redis) -> None:
    rooms = [RoomId(f"room{number}") for number in range(450)]  # more than are looked after at a time
    dead, alive = RedisBackplane(redis_url, FREE), RedisBackplane(redis_url, FREE)
    async with client, listening(alive):
        async with listening(dead):
            for start in range(0, len(rooms), 50):
                await asyncio.gather(
                    *(dead.hold(Lease(room, ALICE, "ghost"), 0.2) for room in rooms[start : start + 50])
                )
        await asyncio.sleep(0.25)
        await alive.sweep()
        assert alive.appended == len(rooms)
        assert await client.zcard("rtlab:2:due") == 0


async def test_users_that_were_evicted_are_counted_anew_from_their_leases(redis_url: str, client: Redis) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with client, listening(backplane, ROOM):
        start = await backplane.subscribe(ROOM)
        for lease in TABS:
            await backplane.hold(lease, 60.0)
        await client.delete(f"rtlab:2:0:{{{ROOM}}}:users")
        assert await members(backplane) == [Member(ALICE, 2)]
        await client.delete(f"rtlab:2:0:{{{ROOM}}}:users")
        await backplane.hold(Lease(ROOM, ALICE, "three"), 60.0)
        assert await members(backplane) == [Member(ALICE, 3)]
        await client.delete(f"rtlab:2:0:{{{ROOM}}}:users")
        for lease in TABS:
            await backplane.release(lease)
        assert await reported(backplane, start) == [("user_joined", "alice")]
        await backplane.release(Lease(ROOM, ALICE, "three"))
        assert await reported(backplane, start) == [("user_joined", "alice"), ("user_left", "alice")]


async def test_leases_that_were_evicted_are_taken_again_or_leave(redis_url: str, client: Redis) -> None:
    backplane = RedisBackplane(redis_url, BRIEF)
    async with client, listening(backplane, ROOM):
        start = await backplane.subscribe(ROOM)
        for lease in (*TABS, GHOST):
            await backplane.hold(lease, 60.0)
        await client.delete(f"rtlab:2:0:{{{ROOM}}}:leases")
        assert await members(backplane) == [Member(ALICE, 2), Member(BOB, 1)]
        await backplane.renew(TABS, 0.3)
        assert await members(backplane) == [Member(ALICE, 2), Member(BOB, 1)]
        await backplane.renew(TABS, 60.0)
        await asyncio.sleep(0.35)
        await client.zadd("rtlab:2:due", {ROOM: 0})  # when the lease that was evicted would have run out
        await backplane.sweep()
        assert await members(backplane) == [Member(ALICE, 2)]
        joined = [("user_joined", "alice"), ("user_joined", "bob")]
        assert await reported(backplane, start) == [*joined, ("user_left", "bob")]


async def test_leases_that_were_evicted_while_nobody_renews_leave(redis_url: str, client: Redis) -> None:
    backplane = RedisBackplane(redis_url, BRIEF)
    async with client, listening(backplane, ROOM):
        start = await backplane.subscribe(ROOM)
        await backplane.hold(GHOST, 0.1)
        await client.delete(f"rtlab:2:0:{{{ROOM}}}:leases")
        await asyncio.sleep(0.15)
        await backplane.sweep()
        assert await members(backplane) == [Member(BOB, 1)]  # it may be renewed yet
        await asyncio.sleep(BRIEF.presence_ttl_s)
        await backplane.sweep()
        assert await reported(backplane, start) == [("user_joined", "bob"), ("user_left", "bob")]


async def test_rooms_of_an_evicted_index_are_noted_again_by_who_renews(redis_url: str, client: Redis) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with client, listening(backplane, ROOM):
        await backplane.hold(GHOST, 0.2)
        await backplane.hold(TABS[0], 60.0)
        await client.delete("rtlab:2:due")
        await backplane.renew([TABS[0]], 0.2)
        await asyncio.sleep(0.25)
        await backplane.renew([TABS[0]], 60.0)
        await backplane.sweep()
        assert await members(backplane) == [Member(ALICE, 1)]


async def test_who_joins_again_while_an_old_lease_runs_out_neither_leaves_nor_joins(
    redis_url: str, client: Redis
) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with client, listening(backplane, ROOM):
        start = await backplane.subscribe(ROOM)
        await backplane.hold(Lease(ROOM, UserId("alice"), "cut off"), 0.1)
        await asyncio.sleep(0.15)
        await backplane.hold(TABS[0], 60.0)
        await backplane.sweep()
        assert await members(backplane) == [Member(ALICE, 1)]
        assert await reported(backplane, start) == [("user_joined", "alice")]


@pytest.mark.parametrize(
    ("maxmemory", "policy", "warned"), [(0, "allkeys-lru", 0), (1 << 30, "noeviction", 0), (1 << 30, "volatile-ttl", 1)]
)
async def test_policy_that_evicts_is_warned_of_once(
    redis_url: str, client: Redis, caplog: pytest.LogCaptureFixture, maxmemory: int, policy: str, warned: int
) -> None:
    async with client:
        try:
            await client.config_set("maxmemory", maxmemory)
            await client.config_set("maxmemory-policy", policy)
            async with listening(RedisBackplane(redis_url, FREE)):
                await client.client_kill_filter(_type="normal", skipme=True)
            said = [record.getMessage() for record in caplog.records if "maxmemory-policy" in record.getMessage()]
            assert len(said) == warned
            assert all(policy in each and "noeviction" in each for each in said)
        finally:
            await client.config_set("maxmemory", 0)
            await client.config_set("maxmemory-policy", "noeviction")
