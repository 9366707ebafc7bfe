"""What clients send: every command of both directions, its reply, and what is refused."""

from __future__ import annotations

import asyncio
import json

import pytest

from core import wire
from core.auth import sign
from core.backplane.memory import MemoryBackplane
from core.errors import BadRequest, Forbidden, RateLimited, RoomError, TooLarge, Unauthorized, Unavailable
from core.hub import Hub
from core.model import RoomId
from core.settings import Settings
from tests.core.instances import FREE, ROOM, SECRET, gist, instance, instances, waiting

LIMITED = Settings(rate_per_s=1.0, burst=2)


async def test_chat_is_acknowledged_with_its_id_and_ref() -> None:
    async with instance() as one:
        alice = await one.join()
        reply = await one.hub.ingest(alice.principal, ROOM, b'{"type":"chat","content":"<b>","ref":"r1"}')
        assert json.loads(reply or b"") == {"type": "ack", "id": "epoch0001:2", "ref": "r1"}
        event = waiting(alice)[-1]
        assert (event["content"], event["ref"], event["userId"]) == ("&lt;b&gt;", "r1", "alice")
        assert event["timestamp"] == 1_700_001_000_000


async def test_posted_chat_is_answered_with_its_id_and_ref() -> None:
    async with instance() as one:
        alice = one.who()
        assert json.loads(await one.hub.post(alice, ROOM, b'{"content":"a","ref":"r"}')) == {
            "id": "epoch0001:1",
            "ref": "r",
        }
        assert json.loads(await one.hub.post(alice, ROOM, b'{"content":"a"}')) == {"id": "epoch0001:2"}


async def test_chat_of_a_channel_that_carries_nothing_else_is_acknowledged() -> None:
    async with instance() as one:
        alice = await one.join()
        reply = await one.hub.post(alice.principal, ROOM, b'{"content":"a","ref":"r"}', wire.ack)
        assert json.loads(reply) == {"type": "ack", "id": "epoch0001:2", "ref": "r"}
        assert gist(waiting(alice))[-1] == "a"


async def test_repeated_publish_gets_the_first_position_and_is_delivered_once() -> None:
    async with instances(2) as (one, two):
        bob = await one.join("bob")
        first = await one.say("hi", ref="r1")
        assert await two.say("hi", ref="r1") == first
        assert gist(waiting(bob)) == ["user_joined bob", "hi"]


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        (b'{"type":"ping","ref":"7"}', {"type": "pong", "ref": "7"}),
        (b'{"type":"ping"}', {"type": "pong"}),
    ],
)
async def test_ping_is_answered(raw: bytes, reply: dict[str, str]) -> None:
    async with instance() as one:
        assert json.loads(await one.hub.ingest(one.who(), ROOM, raw) or b"") == reply


async def test_pings_are_bounded_per_user_and_cost_no_messages() -> None:
    async with instance(FREE) as one:
        alice = (await one.join()).principal
        refused = 0
        for _ in range(150):
            try:
                await one.hub.ingest(alice, ROOM, b'{"type":"ping"}')
            except RateLimited as refusal:
                refused += bool(refusal.retry_after_ms)
        assert 0 < refused <= 50
        await one.hub.ingest(alice, ROOM, b'{"type":"chat","content":"hi"}')


async def test_leave_has_no_reply_and_a_second_hello_is_refused() -> None:
    async with instance() as one:
        assert await one.hub.ingest(one.who(), ROOM, b'{"type":"leave"}') is None
        with pytest.raises(BadRequest, match="hello"):
            await one.hub.ingest(one.who(), ROOM, b'{"type":"hello","token":"x"}')


@pytest.mark.parametrize(("raw", "error"), [(b"{", BadRequest), (b" " * 16_385, TooLarge), (b" " * 16_384, BadRequest)])
async def test_what_does_not_come_through_the_door_is_stored_nowhere(raw: bytes, error: type[RoomError]) -> None:
    async with instance() as one:
        for send in (one.hub.ingest, one.hub.post):
            with pytest.raises(error):
                await send(one.who(), ROOM, raw)
        assert one.link.calls["publish"] == 0


async def test_limit_is_shared_over_instances_and_the_refusal_carries_its_ref() -> None:
    async with instances(2, LIMITED) as (one, two):
        await one.say("1")
        await two.say("2")
        with pytest.raises(RateLimited) as refusal:
            await one.say("3", ref="r3")
        assert refusal.value.ref == "r3"
        assert refusal.value.retry_after_ms == 1000
        await one.say("another's", user="bob")
        await asyncio.sleep(1.0)
        assert (await two.say("3", ref="r3")).offset == 4


async def test_publish_is_refused_with_its_ref_while_the_store_is_away() -> None:
    async with instance() as one:
        one.link.away = True
        with pytest.raises(Unavailable) as refusal:
            await one.say("lost?", ref="r1")
        assert refusal.value.ref == "r1"
        one.link.away = False
        assert (await one.say("lost?", ref="r1")).offset == 1


async def test_token_is_verified_against_the_wall_clock() -> None:
    async with instance() as one:
        token = sign(SECRET, "alice", ["lobby"], 1_700_001_000.0 + 60)
        assert one.hub.admit(token, ROOM).user_id == "alice"
        with pytest.raises(Forbidden):
            one.hub.admit(token, RoomId("attic"))
        await asyncio.sleep(60.0)
        with pytest.raises(Unauthorized):
            one.hub.admit(token, ROOM)


async def test_calls_to_the_backplane_are_counted_and_timed() -> None:
    async with instance() as one:
        await one.say("1")
        calls = one.hub.stats.backplane_calls
        one.link.answering = asyncio.Event()
        asyncio.get_running_loop().call_later(2.5, one.link.answering.set)
        position = await one.say("2")
        await one.say("3")
        await one.join(since=position)
        assert one.hub.stats.backplane_calls > calls + 2
        assert one.hub.stats.backplane_s == pytest.approx(2.5)


async def test_hub_runs_on_real_clocks_too() -> None:
    hub = Hub(MemoryBackplane(FREE), FREE, secret=SECRET)
    async with hub.running():
        position, members = await hub.members(ROOM)
    assert (position.offset, members) == (0, ())
    assert hub.draining
