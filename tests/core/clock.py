"""Time that only tests move."""

from __future__ import annotations

from dataclasses import dataclass

WALL_START_S = 1_700_000_000.0


@dataclass
class FakeClock:
    """A monotonic clock, and the wall clock that runs along with it."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return WALL_START_S + self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
