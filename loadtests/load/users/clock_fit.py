"""The offset of one machine's monotonic clock to another's, from an exchange of messages over the run. Pure.

A worker sends at t1, the master reads it at t2, the worker reads the answer at t3. The master's clock was at t2 between
t1 and t3 of the worker's: t2 - t3 <= offset <= t2 - t1, however the way was shared out (F. Cristian, Probabilistic
clock synchronization, 1989). A clock that drifts steadily has offset a + b t. All lines that keep within every
exchange's two bounds are possible; what they say of an instant is an interval, and half of it is the uncertainty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LEAST_EXCHANGES = 8
MOST_DRIFT = 500e-6
"""Quartz clocks that no one disciplines stay within a fifth of it."""

_TRIED = 2001  # drifts between the two bounds
_INSTANTS = 257


@dataclass(frozen=True, slots=True)
class ClockFit:
    """All offsets that the exchanges allow: for each possible drift the least and the greatest."""

    origin_ns: int  # of the worker's clock; instants and offsets are taken relative to it and to `base_ns`
    base_ns: int
    drifts: Floats
    least_ns: Floats  # at the origin
    most_ns: Floats

    def offset_ns(self, at_ns: Integers) -> tuple[Integers, Floats]:
        """Return what to add to instants of the worker's clock, and how wrong that may be: half the interval."""
        if not len(at_ns):
            return np.empty(0, dtype=np.int64), np.empty(0)
        # A line each side, nearly: it is worked out at some instants, and interpolated.
        elapsed = (at_ns - self.origin_ns).astype(np.float64)
        grid = np.linspace(elapsed.min(), elapsed.max(), _INSTANTS)
        moved = np.multiply.outer(grid, self.drifts)
        least = np.interp(elapsed, grid, (self.least_ns + moved).min(axis=1))
        most = np.interp(elapsed, grid, (self.most_ns + moved).max(axis=1))
        return self.base_ns + np.rint((least + most) / 2).astype(np.int64), (most - least) / 2

    @property
    def drift_ppm(self) -> tuple[float, float]:
        """How much faster the master's clock goes, in the middle of what is possible, and how wrong that may be."""
        least, most = float(self.drifts.min()) * 1e6, float(self.drifts.max()) * 1e6
        return (least + most) / 2, (most - least) / 2


def fit(exchanges: Sequence[Sequence[int]]) -> ClockFit | None:
    """Return the fit of (t1, t2, t3); None where there are too few, or no steady drift explains them all."""
    if len(exchanges) < LEAST_EXCHANGES:
        return None
    sent, read, answered = np.array(exchanges, dtype=np.int64).T
    origin, base = int(sent[0]), int(read[0] - sent[0])
    # Each bound belongs to the instant of the worker's clock at which it was taken.
    lower = read - answered - base, (answered - origin).astype(np.float64)
    upper = read - sent - base, (sent - origin).astype(np.float64)

    def room(drift: float) -> float:
        """How far apart the offset's two bounds are under this drift; concave, below 0 where it is impossible."""
        return float((upper[0] - drift * upper[1]).min() - (lower[0] - drift * lower[1]).max())

    best = _greatest(room, -MOST_DRIFT, MOST_DRIFT)
    if room(best) < 0:
        return None
    drifts = np.linspace(_edge(room, best, -MOST_DRIFT), _edge(room, best, MOST_DRIFT), _TRIED)
    least = np.array([(lower[0] - drift * lower[1]).max() for drift in drifts])
    most = np.array([(upper[0] - drift * upper[1]).min() for drift in drifts])
    possible = most >= least
    return ClockFit(origin, base, drifts[possible], least[possible], most[possible])


def _greatest(room: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(200):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if room(left) < room(right) else (low, right)
    return (low + high) / 2


def _edge(room: Callable[[float], float], inside: float, outside: float) -> float:
    if room(outside) >= 0:
        return outside
    for _ in range(100):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if room(middle) >= 0 else (inside, middle)
    return inside
