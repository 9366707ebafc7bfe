"""What the lab states its own errors to be: every bound of the calibration, in one place.

Found within these, the instrument may be believed here; outside, this machine can't, and `rtlab calibrate` says so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Greatest errors, of either sign. Counts must be exact and have none."""

    p50_ms: float = 0.1
    p99_ms: float = 0.5
    stall_percent: float = 5.0
    # Connections are timed in Python, by a wake-up of its own: no kernel stamps them.
    connect_ms: float = 5.0
    # A short poll asks at an instant that a timer keeps: a timer wakes a sleeping core up to 0.2 ms late, and the grid
    # is met at so many points only.
    grid_p50_ms: float = 0.5
    grid_p99_ms: float = 1.0


FULL = Tolerances()

SHORT = Tolerances(p50_ms=0.3, grid_p50_ms=2.0)
"""Of the form that precedes each comparison: some fifty messages, all transports at a time."""
