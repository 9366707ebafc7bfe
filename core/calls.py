"""How often the backplane is called, and how long that takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.stats import Stats

T = TypeVar("T")


class Calls:
    """Counts into an instance's totals."""

    __slots__ = ("_clock", "_stats")

    def __init__(self, stats: Stats, clock: Callable[[], float]) -> None:
        self._stats = stats
        self._clock = clock

    async def timed(self, call: Awaitable[T]) -> T:
        """Wait for a call, and count it also where it fails."""
        began_s = self._clock()
        try:
            return await call
        finally:
            self.count(began_s)

    def count(self, began_s: float) -> None:
        """Count a call that began then, by the same clock, and ends now."""
        self._stats.backplane_calls += 1
        self._stats.backplane_s += self._clock() - began_s
