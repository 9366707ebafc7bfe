"""What a publish costs Redis, and that what it does now and then only is never missed."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from redis import Redis

from core.backplane import redis_scripts
from core.backplane.redis import RedisBackplane
from core.errors import RateLimited, Unavailable
from core.model import Position, Unrecoverable
from core.settings import Settings
from tests.core.backplane.bench import listening
from tests.core.backplane.kit import FREE, ROOM, chat, read
from tests.core.backplane.test_redis_rights import USER, limited
from tests.core.backplane.test_redis_steps import STEP, set_by_tests

FAST = Settings(rate_per_s=1e6, burst=500)  # whose bucket is full again after a microsecond
KEY = f"rtlab:2:0:{{{ROOM}}}"


@pytest.fixture
def redis(redis_url: str) -> Redis:
    """Of an empty Redis."""
    client = Redis.from_url(redis_url)
    client.flushall()
    return client


@pytest.fixture
def stepped(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Redis:
    """Whose scripts read a clock that a test sets."""
    set_by_tests(monkeypatch)
    return redis


def calls(redis: Redis) -> int:
    """Commands since CONFIG RESETSTAT, those inside scripts too, but for the test's own and the watch's pings."""
    counted = redis.info("commandstats")
    own = ("cmdstat_config", "cmdstat_info", "cmdstat_ping")
    return sum(each["calls"] for name, each in counted.items() if not name.startswith(own))


@pytest.mark.parametrize(
    ("settings", "ref", "most"), [(FREE, False, 4), (FREE, True, 6), (FAST, False, 5), (FAST, True, 7)]
)
async def test_publish_is_few_commands(redis: Redis, redis_url: str, settings: Settings, ref: bool, most: int) -> None:
    backplane = RedisBackplane(redis_url, settings)
    async with listening(backplane, ROOM) as recorder:
        await backplane.publish(ROOM, chat("first"))
        redis.config_resetstat()
        for number in range(192):
            await backplane.publish(ROOM, chat(f"m{number}", ref=f"r{number}" if ref else None))
        per_message = calls(redis) / 192
        assert most - 1 < per_message < most + 0.5
        await recorder.offsets(ROOM, 193)


async def test_limited_message_is_never_stored(redis: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.01, burst=2))
    async with listening(backplane, ROOM) as recorder:
        start, _ = await backplane.members(ROOM)
        for content in "12":
            await backplane.publish(ROOM, chat(content))
        before = redis.hgetall(KEY)
        for content in "345":
            with pytest.raises(RateLimited) as refusal:
                await backplane.publish(ROOM, chat(content))
            assert refusal.value.retry_after_ms is not None
            assert 99_000 < refusal.value.retry_after_ms <= 100_000
        assert redis.hgetall(KEY) == before
        assert len(await read(backplane, start)) == redis.xlen(f"{KEY}:log") == 2
        assert await recorder.offsets(ROOM, 2) == [1, 2]


@pytest.mark.parametrize(("settings", "ref"), [(Settings(rate_per_s=0.01, burst=2), None), (FREE, "r")])
async def test_what_is_refused_again_is_not_stored_even_for_a_moment(
    redis: Redis, redis_url: str, settings: Settings, ref: str | None
) -> None:
    backplane = RedisBackplane(redis_url, settings)
    async with listening(backplane, ROOM):
        added = []
        for _ in range(5):
            with suppress(RateLimited):
                await backplane.publish(ROOM, chat("hi", ref=ref))
            added.append(redis.info("commandstats")["cmdstat_xadd"]["calls"])
        assert added[4] == added[3] == added[2]
        assert redis.xlen(f"{KEY}:log") == (1 if ref else 2)


async def test_what_comes_after_its_deadline_is_taken_back(redis: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.01, burst=2))
    async with listening(backplane, ROOM) as recorder:
        await backplane.publish(ROOM, chat("begins"))
        link = backplane._caller._link
        assert link is not None
        link._ahead_ms -= 10_000  # as if the call had been on its way for so long
        redis.config_resetstat()
        # The longer script stores it, with a deadline made anew.
        published = await backplane.publish(ROOM, chat("hi", ref="r"))
        assert (published.position.offset, published.repeated) == (2, False)
        stats = redis.info("commandstats")
        assert [stats[f"cmdstat_{name}"]["calls"] for name in ("xadd", "xdel")] == [2, 1]
        assert await recorder.offsets(ROOM, 2) == [1, 2]
        assert (await backplane.publish(ROOM, chat("hi", ref="r"))).repeated
        with pytest.raises(RateLimited):
            await backplane.publish(ROOM, chat("one too many"))
        assert redis.xlen(f"{KEY}:log") == 2


async def test_no_older_event_goes_for_one_that_is_taken_back(redis: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.0, history_events=3))
    async with listening(backplane, ROOM):
        for number in range(1, 64):
            last = (await backplane.publish(ROOM, chat(f"m{number}", ref="r"))).position
        assert (await backplane.publish(ROOM, chat("m63", ref="r"))).repeated  # else it were the 64th, which trims
        assert [event.position.offset for event in await read(backplane, Position(last.epoch, 60))] == [61, 62, 63]


async def test_retry_is_found_among_the_earlier_keys(redis: Redis, redis_url: str) -> None:
    settings = Settings(rate_per_s=0.0, history_events=100)
    here, there = RedisBackplane(redis_url, settings), RedisBackplane(redis_url, settings)
    async with listening(here, ROOM), listening(there, ROOM):
        for number in range(1, 261):
            await here.publish(ROOM, chat(f"m{number}", ref="r"))
        assert redis.exists(f"{KEY}:past")
        await there.publish(ROOM, chat("m261", ref="r"))  # so both know the room
        for each in (here, there):
            again = await each.publish(ROOM, chat("m250", ref="r"))
            assert (again.position.offset, again.repeated) == (250, True)
        assert (await here.publish(ROOM, chat("m262", ref="r"))).position.offset == 262


async def test_history_is_read_from_any_position(redis: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with listening(backplane, ROOM):
        for number in range(700):
            last = (
                await backplane.publish(ROOM, chat(f"m{number}", ref=f"r{number}" if number % 3 else None))
            ).position
        for since in (0, 1, 63, 300, 443, 444, 699, 700):
            events = await read(backplane, Position(last.epoch, since))
            assert [event.position.offset for event in events] == list(range(since + 1, 701)), since
            assert all(f'"m{event.position.offset - 1}"'.encode() in event.body for event in events)
        redis.xtrim(f"{KEY}:log", maxlen=100, approximate=False)  # as if Redis had lost the rest
        gone = await backplane.history(ROOM, Position(last.epoch, 599))
        assert isinstance(gone, Unrecoverable)
        assert (gone.reason, gone.begin.offset) == ("history_evicted", 600)
        assert len(await read(backplane, Position(last.epoch, 600))) == 100


async def test_room_whose_log_is_ahead_of_the_clock_goes_the_longer_way(stepped: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.001, burst=5))
    async with listening(backplane, ROOM):
        await backplane.publish(ROOM, chat("begins"))
        known = backplane._publisher._known
        assert known[ROOM].fresh_until_s > time.monotonic()
        stepped.set(STEP, -60)
        await backplane.sweep()
        for _ in range(4):
            await backplane.publish(ROOM, chat("goes on"))
            assert known[ROOM].fresh_until_s <= time.monotonic()
        with pytest.raises(RateLimited):
            await backplane.publish(ROOM, chat("one too many"))
        stepped.set(STEP, 0)
        await backplane.sweep()
        with pytest.raises(RateLimited):
            await backplane.publish(ROOM, chat("still one too many"))


async def test_reader_is_given_no_event_beyond_the_count(redis: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.0, history_events=3))
    async with listening(backplane, ROOM):
        for number in range(1, 201):
            last = (await backplane.publish(ROOM, chat(f"m{number}", ref="r"))).position
            if number == 40:
                assert redis.xlen(f"{KEY}:log") > 3  # it is trimmed now and then
                assert len(await read(backplane, Position(last.epoch, 37))) == 3
                assert isinstance(await backplane.history(ROOM, Position(last.epoch, 36)), Unrecoverable)
            assert (await backplane.publish(ROOM, chat(f"m{number}", ref="r"))).position == last
        kept = [await backplane.publish(ROOM, chat(f"m{number}", ref="r")) for number in (198, 199, 200, 197)]
        assert [each.repeated for each in kept] == [True, True, True, False]
        assert redis.hlen(KEY) + redis.hlen(f"{KEY}:past") < 2 * (3 + 256) + 14


async def test_retry_of_what_is_too_old_is_stored_anew(stepped: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.0, history_s=100.0))
    async with listening(backplane, ROOM):
        await backplane.publish(ROOM, chat("hi", ref="r1"))
        stepped.set(STEP, 99)
        await backplane.sweep()
        assert (await backplane.publish(ROOM, chat("hi", ref="r1"))).repeated
        stepped.set(STEP, 101)
        again = await backplane.publish(ROOM, chat("hi", ref="r1"))
        assert (again.repeated, again.position.offset) == (False, 2)
        assert [event.position for event in await read(backplane, Position(again.position.epoch, 1))] == [
            again.position
        ]


async def test_expiry_is_renewed_before_the_history_needs_it(stepped: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.0, history_s=100.0))
    async with listening(backplane, ROOM):
        await backplane.publish(ROOM, chat("begins"))
        begun = [stepped.pttl(key) for key in (KEY, f"{KEY}:log")]
        for step_s, renewed in ((9, False), (11, True), (19, False), (22, True)):
            for key in (KEY, f"{KEY}:log"):
                stepped.pexpire(key, 50_000)
            stepped.set(STEP, step_s)
            await backplane.sweep()
            await backplane.publish(ROOM, chat("goes on"))
            left = [stepped.pttl(key) > 50_000 for key in (KEY, f"{KEY}:log")]
            assert left == [renewed, renewed], step_s
        assert all(105_000 < each <= 110_000 for each in begun)


async def test_bucket_is_kept_until_it_is_full(redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_scripts, "_KEPT_US", 10**15)  # whose next multiple is far away
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=1.0, burst=3))
    bucket = "rtlab:2:{user:alice}:bucket"
    async with listening(backplane, ROOM):
        await backplane.publish(ROOM, chat("begins"))
        assert redis.pttl(bucket) > 10**11
        for held, renewed in ((None, True), (b"1700000000000000", False), (b"900000000000000", True)):
            if held is None:
                redis.delete(bucket)
            else:
                redis.set(bucket, held, px=3_000)
            await backplane.publish(ROOM, chat("goes on"))
            assert (redis.pttl(bucket) > 10**11) is renewed, held
            assert int(redis.get(bucket) or 0) > time.time() * 1e6


@pytest.mark.parametrize(("gone", "left"), [([], 2), (["rtlab:2:{user:alice}:bucket"], 3)])
async def test_token_of_what_is_stored_by_the_longer_script_is_taken_once(
    redis: Redis, redis_url: str, gone: list[str], left: int
) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.01, burst=3))
    async with listening(backplane, ROOM):
        await backplane.publish(ROOM, chat("begins"))
        redis.delete(f"{KEY}:log", *gone)  # `lean` makes no log
        for content in "123"[:left]:
            await backplane.publish(ROOM, chat(content))
        with pytest.raises(RateLimited):
            await backplane.publish(ROOM, chat("one too many"))


async def test_own_key_is_found_in_all_that_the_log_holds(redis: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, Settings(rate_per_s=0.0, history_events=3))
    async with listening(backplane, ROOM):
        await backplane.publish(ROOM, chat("begins"))
        call = [KEY], "unused00", b'own"hi"'
        _, epoch, offset, *_ = await backplane._caller.room("publish", *call)
        for number in range(5):
            await backplane.publish(ROOM, chat(f"m{number}"))
        assert redis.xlen(f"{KEY}:log") == 7
        answer = await backplane._caller.room("publish", *call, repeats=True)
        assert answer[:3] == [b"known", epoch, offset]


async def test_room_that_is_gone_or_begun_anew_is_found_out(redis: Redis, redis_url: str) -> None:
    here, there = RedisBackplane(redis_url, FREE), RedisBackplane(redis_url, FREE)
    async with listening(here, ROOM), listening(there, ROOM):
        epochs = []
        for begins in (here, there, here):
            positions = [
                (await each.publish(ROOM, chat(f"m{number}"))).position
                for number in range(3)
                for each in (begins, here, there)
            ]
            assert [each.offset for each in positions] == list(range(1, 10))
            assert len({each.epoch for each in positions}) == 1
            epochs.append(positions[0].epoch.encode())
            assert not set(redis.hkeys(KEY)) & set(epochs[:-1])
            redis.delete(KEY)
        assert len(set(epochs)) == 3


async def test_own_key_is_seen_by_nobody(redis: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with listening(backplane, ROOM) as recorder:
        for number in range(3):
            last = (await backplane.publish(ROOM, chat(f"m{number}"))).position
        await recorder.offsets(ROOM, 3)
        bodies = [event.body for event in await read(backplane, Position(last.epoch, 0))]
        assert bodies == [event.body for _, event in recorder.delivered]
        assert [sorted(json.loads(body)) for body in bodies] == [
            sorted(("type", "room", "id", "userId", "timestamp", "content"))
        ] * 3


async def test_log_that_was_evicted_expires_again(redis: Redis, redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with listening(backplane, ROOM):
        await backplane.publish(ROOM, chat("lost"))
        redis.delete(f"{KEY}:log")
        last = (await backplane.publish(ROOM, chat("kept"))).position
        assert redis.pttl(f"{KEY}:log") > 0
        assert [event.position for event in await read(backplane, Position(last.epoch, 1))] == [last]


async def test_what_can_neither_be_announced_nor_undone_begins_another_life(redis: Redis, redis_url: str) -> None:
    witness, backplane = RedisBackplane(redis_url, FREE), RedisBackplane(limited(redis_url), FREE)
    redis.acl_setuser(USER, True, passwords="+pw", keys=["*"], channels=["*"], commands=["+@all"], reset=True)
    async with listening(witness, ROOM) as recorder, listening(backplane):
        first = (await backplane.publish(ROOM, chat("kept"))).position
        redis.acl_setuser(USER, True, commands=["-publish", "-xdel"])
        with pytest.raises(Unavailable):
            await backplane.publish(ROOM, chat("refused"))
        after = (await witness.publish(ROOM, chat("after"))).position
        assert (after.offset, after.epoch != first.epoch) == (1, True)
        assert len(await read(witness, Position(after.epoch, 0))) == 1
        assert b"refused" not in b"".join(event.body for _, event in recorder.delivered)
    redis.acl_deluser(USER)
