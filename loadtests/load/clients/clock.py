"""From the kernel's receive stamps (CLOCK_REALTIME) to the lab's one clock (CLOCK_MONOTONIC).

Both clocks are driven by the same timekeeper: NTP's slewing and frequency corrections move them alike, so their
difference is a constant until somebody *steps* the wall clock (settimeofday, a leap second). Hence: sample the
difference as tightly as possible, keep the tightest sample, and take a new one only when it is tighter still or
contradicts the old one by more than both uncertainties: that is a step, and steps are counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class RealtimeOffset:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC in nanoseconds, with its uncertainty and the steps seen."""

    __slots__ = ("_monotonic_ns", "_realtime_ns", "offset_ns", "steps", "uncertainty_ns")

    def __init__(
        self, realtime_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._realtime_ns = realtime_ns
        self._monotonic_ns = monotonic_ns
        self.steps = 0
        self.offset_ns, self.uncertainty_ns = self._sample(rounds=64)

    def refresh(self) -> None:
        """Sample again; call it about once a second. A contradiction counts as a step of the wall clock."""
        offset_ns, uncertainty_ns = self._sample(rounds=8)
        stepped = abs(offset_ns - self.offset_ns) > uncertainty_ns + self.uncertainty_ns
        self.steps += stepped
        if stepped or uncertainty_ns < self.uncertainty_ns:
            self.offset_ns, self.uncertainty_ns = offset_ns, uncertainty_ns

    def _sample(self, rounds: int) -> tuple[int, int]:
        # A reading between two others is off by at most half their distance: an interrupted round is wide, and loses.
        best_ns, best_width_ns = 0, -1
        for _ in range(rounds):
            before_ns = self._monotonic_ns()
            realtime_ns = self._realtime_ns()
            after_ns = self._monotonic_ns()
            width_ns = after_ns - before_ns
            if best_width_ns < 0 or width_ns < best_width_ns:
                best_ns, best_width_ns = realtime_ns - (before_ns + after_ns) // 2, width_ns
        return best_ns, best_width_ns // 2 + 1
