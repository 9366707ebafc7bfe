"""What every stream opens with, and what one over HTTP ends with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from core.errors import ShuttingDown, SlowConsumer
from core.model import Position
from tests.core.instances import Instance, instance
from tests.core.virtual_time import VirtualTimeLoop
from transports import h2push, sse
from transports.stream import opening


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@pytest.fixture
async def one() -> AsyncIterator[Instance]:
    async with instance() as running:
        yield running


async def test_opening_is_a_welcome_and_a_resync_where_one_is_due(one: Instance) -> None:
    head = await one.say("1")
    fresh, failed = await one.join("alice"), await one.join("bob", Position("foreign00", 1))
    (welcome,) = map(json.loads, opening(one.hub, fresh))
    assert welcome == {
        "type": "welcome",
        "room": "lobby",
        "userId": "alice",
        "position": str(head),
        "recovered": False,
        "heartbeatMs": 15_000,
    }
    welcome, resync = map(json.loads, opening(one.hub, failed))
    assert (welcome["type"], resync["type"], resync["reason"]) == ("welcome", "resync", "epoch_changed")
    assert welcome["position"] == resync["position"] == str(failed.start.position)


def test_a_stream_ends_with_its_farewell_or_the_framed_error() -> None:
    slow, draining = SlowConsumer("slow"), ShuttingDown("closing", retry_after_ms=700)
    assert sse.FORMAT.last_words(None) == h2push.FORMAT.last_words(None) == b""
    assert sse.FORMAT.last_words(draining) == b"retry: 700\n\n"
    assert sse.FORMAT.last_words(slow) == b'data: {"type":"error","code":"slow_consumer","message":"slow"}\n\n'
    assert h2push.FORMAT.last_words(slow) == b'{"type":"error","code":"slow_consumer","message":"slow"}\n'


def test_each_event_stream_is_told_a_time_of_its_own_to_come_back_after_a_kill() -> None:
    told_ms = {int(sse.FORMAT.preamble().removeprefix(b"retry: ")) for _ in range(200)}
    assert len(told_ms) > 100
    assert 500 <= min(told_ms) < 600
    assert 1400 < max(told_ms) <= 1500
