"""What an instance stores itself is delivered with the answer, where it is next; and never twice, or out of order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from core.backplane.redis import RedisBackplane
from tests.core.backplane.bench import listening
from tests.core.backplane.kit import FREE, ROOM, chat
from tests.faults.waiting import until


@contextmanager
def unheard(backplane: RedisBackplane, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[bytes, bytes]]]:
    """Keep back the messages of Redis, and hand them on at the end."""
    held: list[tuple[bytes, bytes]] = []
    with monkeypatch.context() as patched:
        patched.setattr(backplane._reader, "_receive", lambda name, data: held.append((name, data)))
        yield held
    for name, data in held:
        backplane._receive(name, data)


async def test_own_message_is_delivered_once_and_before_redis_says_it(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with listening(backplane, ROOM) as recorder:
        first = (await backplane.publish(ROOM, chat("first"))).position.offset
        await recorder.offsets(ROOM, 1)
        with unheard(backplane, monkeypatch) as held:
            for content in ("second", "third"):
                await backplane.publish(ROOM, chat(content, ref=content))
            assert await recorder.offsets(ROOM, 3) == [first, first + 1, first + 2]
            assert await until(lambda: len(held) == 2, 5.0)
        assert len(recorder.delivered) == 3
        again = await backplane.publish(ROOM, chat("third", ref="third"))
        assert (again.repeated, len(recorder.delivered)) == (True, 3)


async def test_own_message_waits_for_what_others_have_stored_before_it(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = RedisBackplane(redis_url, FREE), RedisBackplane(redis_url, FREE)
    async with listening(here, ROOM) as recorder, listening(there, ROOM):
        first = (await here.publish(ROOM, chat("first"))).position.offset
        await recorder.offsets(ROOM, 1)
        with unheard(here, monkeypatch) as held:
            await there.publish(ROOM, chat("theirs"))
            await here.publish(ROOM, chat("ours"))
            assert await recorder.offsets(ROOM, 1) == [first]
            assert await until(lambda: len(held) == 2, 5.0)
        assert [event.position.offset for _, event in recorder.delivered] == [first, first + 1, first + 2]
        bodies = b"".join(event.body for _, event in recorder.delivered)
        assert bodies.index(b'"first"') < bodies.index(b'"theirs"') < bodies.index(b'"ours"')


async def test_room_that_began_anew_is_heard_from_its_beginning(redis_url: str) -> None:
    backplane = RedisBackplane(redis_url, FREE)
    async with listening(backplane, ROOM) as recorder:
        for content in "abc":
            last = (await backplane.publish(ROOM, chat(content))).position
        await recorder.offsets(ROOM, 3)
        with Redis.from_url(redis_url) as client:
            client.flushall()
        anew = (await backplane.publish(ROOM, chat("d"))).position
        assert anew.epoch != last.epoch
        assert await until(lambda: recorder.delivered[-1][1].position == anew, 5.0)
