"""Redis's clock beside one of ours that nobody sets: where it is, and by how much it was set."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_NOISE_MS: Final = 1000.0  # less is no step: a lease does not depend on it


def steady_s() -> float:
    """Seconds of a clock that is never set, and that goes on while the machine sleeps where there is such a one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class RedisClock:
    """What the answers of all connections to one Redis say of its clock. Each was read after its call was sent and
    before its answer came: two readings that cannot both be true of one clock show that it was set.
    """

    def __init__(self, clock: Callable[[], float] = steady_s) -> None:
        self.slip_ms = 0  # by how much it has been set, as Redis keeps it for all instances
        self.step_ms = 0  # by how much we saw it being set since, which Redis does not have yet
        self._clock = clock
        self._ahead_ms: tuple[float, float] | None = None  # of our clock, at least and at most

    def now_s(self) -> float:
        """Our own clock, for the time at which a call is sent."""
        return self._clock()

    def expected_ms(self) -> int:
        """Where Redis's clock should be now; 0 while nothing is known of it."""
        return 0 if self._ahead_ms is None else int(self._clock() * 1000 + sum(self._ahead_ms) / 2)

    def note(self, redis_ms: int, sent_s: float) -> None:
        """Take note of the time in an answer that has just come, to a call sent at `sent_s`."""
        least_ms, most_ms = redis_ms - self._clock() * 1000, redis_ms - sent_s * 1000
        if self._ahead_ms is not None:
            known_least_ms, known_most_ms = self._ahead_ms
            if least_ms > known_most_ms + _NOISE_MS:
                self.step_ms += int(least_ms - known_most_ms)
            elif most_ms < known_least_ms - _NOISE_MS:
                self.step_ms += int(most_ms - known_least_ms)
        self._ahead_ms = least_ms, most_ms
