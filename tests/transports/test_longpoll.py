"""A held poll of the portable sink: it ends with news, in time, or when its client goes; no task waits at first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from core.subscription import Subscription
from tests.core.instances import decoded, gist, instance, now_s
from tests.core.virtual_time import VirtualTimeLoop
from transports import longpoll


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
    frames = await longpoll._frames(subscription, request(began_s + gone_s), wait_s)
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
