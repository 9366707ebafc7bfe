"""When a link to Redis counts as stalled: by the silence of Redis, not by the length of its queue."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from core.backplane.redis_clock import RedisClock
from core.backplane.redis_link import STALL_S, Link
from core.backplane.redis_scripts import Scripts
from core.backplane.redis_wire import Wire

pytestmark = pytest.mark.anyio


class _Wire:
    connected = True

    def send(self, command: tuple[Any, ...]) -> None: ...


async def test_a_long_queue_that_moves_is_not_stalled_and_one_that_stands_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    link = Link(cast("Wire", _Wire()), [], 0, 1000, RedisClock(), cast("Scripts", None))
    for _ in range(4):
        link._send(("PING",))
    found: list[bool] = []
    for _ in range(3):  # in a storm the last call waits for those before it, longer than for a silent Redis
        now_s += 0.8 * STALL_S
        found.append(link.stalled)
        link._answered(b"PONG")
    now_s += 0.8 * STALL_S
    found.append(link.stalled)
    now_s += 0.4 * STALL_S
    found.append(link.stalled)
    link._answered(b"PONG")
    found.append(link.stalled)
    assert found == [False, False, False, False, True, False]
