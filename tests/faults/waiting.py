"""Polling for what other processes do, since no event can be awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_LOOK_S = 0.01


async def until(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait until `condition` holds; whether it did in time."""
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() >= until_s:
            return False
        await asyncio.sleep(_LOOK_S)
    return True
