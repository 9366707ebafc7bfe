"""What a client on a duplex connection may send, and what each mistake leads to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.auth import sign
from core.errors import BadRequest, Forbidden, RateLimited, RoomError, TooLarge, Unauthorized, Unavailable
from core.model import Position
from core.settings import Settings
from core.subscription import Subscription
from tests.core.instances import ROOM, SECRET, Instance, gist, instance, waiting, wall_s
from tests.core.virtual_time import VirtualTimeLoop
from transports.conversation import BAD_REQUESTS_IN_A_ROW, REFUSALS_IN_A_ROW, Conversation

LIMITED = Settings(rate_per_s=1.0, burst=1)


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@pytest.fixture
async def one() -> AsyncIterator[Instance]:
    async with instance() as running:
        yield running


def hello(rooms: str = "*", ttl_s: float = 60.0, **more: str) -> str:
    return json.dumps({"type": "hello", "token": sign(SECRET, "alice", [rooms], wall_s() + ttl_s), **more})


async def say(
    one: Instance, talk: Conversation, subscription: Subscription, *texts: str | None
) -> list[dict[str, Any]]:
    for text in texts:
        await talk.command(subscription.principal, subscription, text)
    return [reply for reply in waiting(subscription) if reply["type"] in ("ack", "pong", "error")]


async def test_hello_tells_who_and_since_when(one: Instance) -> None:
    greeting = Conversation(one.hub, ROOM).greet(hello(since="abcdefgh:3"))
    assert not isinstance(greeting, BadRequest)
    principal, since = greeting
    assert (principal.user_id, since) == ("alice", Position("abcdefgh", 3))
    fresh = Conversation(one.hub, ROOM).greet(hello())
    assert not isinstance(fresh, BadRequest)
    assert fresh[1] is None


@pytest.mark.parametrize("text", ["{", "[]", None, '{"type":"hello","x":1}', '{"type":"hello","since":"x"}'])
async def test_bad_hello_may_be_said_again_but_not_for_ever(one: Instance, text: str | None) -> None:
    talk = Conversation(one.hub, ROOM)
    for _ in range(BAD_REQUESTS_IN_A_ROW - 1):
        assert isinstance(talk.greet(text), BadRequest)
    with pytest.raises(BadRequest):
        talk.greet(text)
    assert one.hub.stats.rejected == {"bad_request": BAD_REQUESTS_IN_A_ROW}


async def test_hello_that_can_never_be_honoured_ends_at_once(one: Instance) -> None:
    cases: list[tuple[str, type[RoomError]]] = [
        ('{"type":"ping"}', Unauthorized),
        ('{"type":"hello"}', Unauthorized),
        ('{"type":"hello","token":"a.b.c"}', Unauthorized),
        (hello(ttl_s=-1.0), Unauthorized),
        (hello(rooms="attic"), Forbidden),
        (" " * 16_385, TooLarge),
    ]
    for text, error in cases:
        with pytest.raises(error):
            Conversation(one.hub, ROOM).greet(text)


async def test_commands_are_replied_to_in_order(one: Instance) -> None:
    alice, talk = await one.join(), Conversation(one.hub, ROOM)
    replies = await say(one, talk, alice, '{"type":"chat","content":"hi","ref":"1"}', '{"type":"ping","ref":"2"}')
    assert [(reply["type"], reply["ref"]) for reply in replies] == [("ack", "1"), ("pong", "2")]


async def test_three_bad_requests_in_a_row_end_it_and_a_good_one_forgives(one: Instance) -> None:
    alice, talk = await one.join(), Conversation(one.hub, ROOM)
    bad, good = "{", '{"type":"ping"}'
    replies = await say(one, talk, alice, bad, bad, good, None, bad)
    assert [reply["type"] for reply in replies] == ["error", "error", "pong", "error", "error"]
    assert not alice.ended
    (last,) = await say(one, talk, alice, hello())
    assert last["code"] == "bad_request"
    with pytest.raises(BadRequest):
        await alice.take()
    assert one.hub.stats.rejected == {"bad_request": 5}


async def test_twenty_refusals_in_a_row_end_it() -> None:
    async with instance(LIMITED) as one:
        alice, talk = await one.join(), Conversation(one.hub, ROOM)
        chat = '{"type":"chat","content":"hi","ref":"r"}'
        chats = [chat.replace('"r"', f'"r{number}"') for number in range(REFUSALS_IN_A_ROW + 1)]
        replies = await say(one, talk, alice, *chats[:-1])
        assert [reply["type"] for reply in replies] == ["ack"] + ["error"] * (REFUSALS_IN_A_ROW - 1)
        assert replies[1]["code"] == "rate_limited"
        assert replies[1]["ref"] == "r1"
        assert 0 < replies[1]["retryAfterMs"] <= 1000
        assert not alice.ended
        await say(one, talk, alice, chats[-1])
        with pytest.raises(RateLimited):
            await alice.take()


async def test_store_that_is_away_ends_nothing(one: Instance) -> None:
    alice, talk = await one.join(), Conversation(one.hub, ROOM)
    one.link.away = True
    replies = await say(one, talk, alice, *['{"type":"chat","content":"hi","ref":"r"}'] * 30)
    one.link.away = False
    assert {(reply["code"], reply["ref"]) for reply in replies} == {(Unavailable.code, "r")}
    assert not alice.ended


async def test_too_large_and_draining_end_it(one: Instance) -> None:
    alice, bob = await one.join("alice"), await one.join("bob")
    await say(one, Conversation(one.hub, ROOM), alice, " " * 16_385)
    with pytest.raises(TooLarge):
        await alice.take()
    one.hub.drain()
    await say(one, Conversation(one.hub, ROOM), bob, '{"type":"chat","content":"late"}')
    assert bob.ended


async def test_leave_ends_it_without_a_reason(one: Instance) -> None:
    alice, talk = await one.join(), Conversation(one.hub, ROOM)
    await one.say("before")
    await talk.command(alice.principal, alice, '{"type":"leave"}')
    assert gist(waiting(alice)) == ["user_joined alice", "before"]
    assert await alice.take() == []
