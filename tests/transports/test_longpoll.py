"""A held poll of the portable sink: it ends with news, in time, or when its client goes; no task waits at first."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response

from core.model import Position, Start
from core.subscription import Subscription
from tests.core.instances import decoded, gist, instance, now_s
from tests.core.virtual_time import VirtualTimeLoop
from transports import longpoll
from transports.heartbeat import Heartbeat


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def request(gone_s: float) -> Request:
    """One whose client goes after so many seconds."""

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(gone_s - now_s())
        return {"type": "http.disconnect"}

    return Request({"type": "http"}, receive)


async def held(subscription: Subscription, wait_s: float, gone_s: float) -> tuple[list[Any], float]:
    """What a poll got, and after how long."""
    began_s = now_s()
    frames = await longpoll._frames(subscription, request(began_s + gone_s), wait_s, Heartbeat(longpoll._ALONE_S))
    return frames, round(now_s() - began_s, 3)


@pytest.mark.parametrize(
    ("wait_s", "gone_s", "ends_s"), [(0.2, 60.0, 0.2), (20.0, 60.0, 20.0), (20.0, 7.0, 7.0), (20.0, 0.1, 0.5)]
)
async def test_a_poll_without_news_ends_in_time_or_with_its_client(wait_s: float, gone_s: float, ends_s: float) -> None:
    async with instance() as one:
        subscription = await one.join(poller=True)
        subscription.take_now()
        assert await held(subscription, wait_s, gone_s) == ([], ends_s)
        await one.hub.detach(subscription)


@pytest.mark.parametrize("after_s", [0.0, 0.1, 3.0])
async def test_news_ends_a_poll_and_leaves_nothing_behind(after_s: float) -> None:
    async with instance() as one:
        subscription = await one.join(poller=True)
        subscription.take_now()
        tasks = len(asyncio.all_tasks())
        polling = asyncio.ensure_future(held(subscription, 20.0, 60.0))
        await asyncio.sleep(after_s)
        await one.say("news")
        frames, _ = await polling
        assert gist(decoded(frames)) == ["news"]
        await one.hub.detach(subscription)
        await asyncio.sleep(30.0)
        assert len(asyncio.all_tasks()) == tasks


async def test_one_that_leaves_the_heartbeat_by_its_beat_can_come_again() -> None:
    heartbeat = Heartbeat(1.0)

    class Once:
        beats = 0

        def beat(self) -> None:
            self.beats += 1
            heartbeat.discard(self)

    once = Once()
    for beats in (1, 2):
        heartbeat.add(once)
        await asyncio.sleep(3.5)
        assert once.beats == beats
    assert not heartbeat._due


def test_who_has_waited_at_the_same_place_for_the_same_gets_the_same_answer() -> None:
    answers, at = longpoll.Answers(), [Position("epoch0001", offset) for offset in range(4)]
    one, two = (b'{"n":1}', at[1]), (b'{"n":2}', at[2])

    def answer(since: Position, *frames: tuple[bytes, Position], recovered: bool = True) -> Response:
        return answers.to(Start(since, recovered), list(frames))

    first = answer(at[0], one, two)
    assert answer(Position("epoch0001", 0), one, two) is first
    bodies = [answer(at[1], two).body, answer(at[0], one).body, answer(at[0]).body, answer(at[1]).body]
    assert [len(msgspec.json.decode(body)["events"]) for body in bodies] == [1, 1, 0, 0]
    assert answer(at[0], one, two).body == first.body
    assert b'"recovered":false}' in bytes(answer(at[0], one, two, recovered=False).body)


async def test_what_middleware_adds_to_an_answer_is_of_one_poller_alone() -> None:
    answers = longpoll.Answers()
    told: list[list[bytes]] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"].append((b"x-request-id", b"%d" % len(told)))
            told.append([value for name, value in message["headers"] if name == b"x-request-id"])

    for _ in range(2):
        await answers.to(Start(Position("epoch0001", 1), recovered=True), [])({"type": "http"}, receive, send)
    assert told == [[b"0"], [b"1"]]
