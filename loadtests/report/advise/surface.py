"""A figure anywhere in the space of loads: at a measured point the measurement, else a model corrected by what is near.

The model is a sum of terms with coefficients that are never negative, fitted by least squares to all measured points.
Inside the hull (the box of rate, payload, room size and delay that was measured) it is corrected by the residuals of
the measured points, weighted by 1 / distance^2; distances are of logarithms. So it meets every point. Outside the hull
the model is not corrected. Its error is estimated by cross-validation: each point is left out in turn and predicted
from the others. Half the interval is three times the median of these errors. That is twice the standard deviation of
normal errors, and a single point cannot decide it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from loadtests.report.advise.figure import BETWEEN, MEASURED, MODELLED, Figure

_SPARE = 2
"""Points beyond the number of coefficients without which nothing is said about the model's residual."""

SAME = 1e-9
_HULL = 4  # coordinates of a place that the hull has sides for


@dataclass(frozen=True, slots=True)
class Place:
    """Where a figure is asked for. `scale`: the logarithms of rate, payload, room size, 1 + delay in ms, and rooms."""

    scale: tuple[float, ...]
    group: tuple[float, ...]  # what must be the same: the polls' interval in ms, and whether subscribers publish

    def distance2(self, other: Place) -> float:
        """Return the square of the distance."""
        return sum((a - b) ** 2 for a, b in zip(self.scale, other.scale, strict=True))


def place(
    rate_per_s: float, payload_bytes: float, members: float, one_way_ms: float, rooms: float, *group: float
) -> Place:
    """Return the place of a load."""
    return Place(
        (math.log(rate_per_s), math.log(payload_bytes), math.log(members), math.log1p(one_way_ms), math.log(rooms)),
        group,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """One measurement. `terms` are multiplied by coefficients, `offset` is known beforehand."""

    at: Place
    terms: tuple[float, ...]
    offset: float
    value: float
    low: float | None
    high: float | None
    run_id: str


@dataclass(frozen=True, slots=True)
class Surface:
    """Fitted coefficients and what they were fitted to. Residuals are ratios, or differences."""

    seen: tuple[Seen, ...]
    coefficients: tuple[float, ...]
    ratio: bool
    inside: float | None  # half the interval's width inside the hull, and outside: a share, or the figure's unit
    outside: float | None

    def model(self, terms: Sequence[float], offset: float) -> float:
        """Return what the model alone says."""
        return offset + sum(c * term for c, term in zip(self.coefficients, terms, strict=True))

    def at(self, where: Place, terms: Sequence[float], offset: float = 0.0) -> Figure:
        """Return the figure at a place."""
        same = next((s for s in self.seen if s.at.group == where.group and s.at.distance2(where) < SAME), None)
        if same is not None:
            return Figure(same.value, same.low, same.high, MEASURED, same.run_id)
        covered = _covered(self.seen, where)
        value = self.model(terms, offset)
        if covered:
            value = _corrected(self, where, value)
        spread = self.inside if covered else self.outside
        half = None if spread is None else spread * value if self.ratio else spread
        low, high = (None, None) if half is None else (max(0.0, value - half), value + half)
        runs = ", ".join(dict.fromkeys(s.run_id for s in self.seen))
        words = f"{len(self.seen)} measurements of {runs}"
        return Figure(value, low, high, BETWEEN if covered else MODELLED, words)


def fit(seen: Sequence[Seen], *, ratio: bool) -> Surface | None:
    """Fit a surface; None where nothing was measured."""
    usable = [s for s in seen if s.value > 0]
    if not usable:
        return None
    plain = _fitted(usable, ratio)
    errors = list(_left_out(usable, ratio))
    enough = len(usable) >= sum(c > 0 for c in plain.coefficients) + _SPARE
    spreads = (_spread([e for at, e in errors if at is kind]) for kind in (True, False))
    inside, outside = spreads if enough else (None, None)
    alone = _spread([e for _, e in errors]) if enough else None
    return Surface(plain.seen, plain.coefficients, ratio, inside or alone, outside or alone)


def _fitted(seen: Sequence[Seen], ratio: bool) -> Surface:
    """Fit by relative least squares, so that no large load outweighs a small one."""
    weights = np.array([1 / max(s.value, SAME) for s in seen])
    terms = np.array([s.terms for s in seen]) * weights[:, None]
    wanted = np.array([s.value - s.offset for s in seen]) * weights
    return Surface(tuple(seen), tuple(float(c) for c in _never_negative(terms, wanted)), ratio, None, None)


def _never_negative(terms: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Least squares with coefficients of at least 0: the best subset of terms whose own solution has none below.

    Four or five terms have at most 31 subsets; this is exact, and needs no library.
    """
    columns = [c for c in range(terms.shape[1]) if terms[:, c].any()]
    best, found = float(wanted @ wanted), np.zeros(terms.shape[1])
    for size in range(1, len(columns) + 1):
        for chosen in map(list, itertools.combinations(columns, size)):
            part, *_ = np.linalg.lstsq(terms[:, chosen], wanted, rcond=None)
            error = float(((terms[:, chosen] @ part - wanted) ** 2).sum())
            if (part >= 0).all() and error < best * (1 - SAME):
                best, found = error, np.zeros(terms.shape[1])
                found[chosen] = part
    return found


def _covered(seen: Sequence[Seen], where: Place) -> bool:
    """Whether the place lies in the hull of measurements of its group."""
    alike = [s.at.scale for s in seen if s.at.group == where.group]
    return bool(alike) and all(
        min(column) - SAME <= value <= max(column) + SAME
        for column, value in list(zip(zip(*alike, strict=True), where.scale, strict=True))[:_HULL]
    )


def _corrected(surface: Surface, where: Place, value: float) -> float:
    near = [(1 / max(s.at.distance2(where), SAME), s) for s in surface.seen if s.at.group == where.group]
    total = sum(weight for weight, _ in near)
    if surface.ratio:
        ratios = ((w, s.value / max(surface.model(s.terms, s.offset), SAME)) for w, s in near)
        return value * math.exp(sum(w * math.log(ratio) for w, ratio in ratios) / total)
    return value + sum(w * (s.value - surface.model(s.terms, s.offset)) for w, s in near) / total


def _left_out(seen: Sequence[Seen], ratio: bool) -> list[tuple[bool, float]]:
    """Predict each measurement from all others: whether it lay in their hull, and the error as share or difference."""
    found = []
    for index, left in enumerate(seen):
        others = [*seen[:index], *seen[index + 1 :]]
        if others:
            surface = _fitted(others, ratio)
            predicted = surface.model(left.terms, left.offset)
            covered = _covered(others, left.at)
            if covered:
                predicted = _corrected(surface, left.at, predicted)
            error = predicted / left.value - 1 if ratio else predicted - left.value
            found.append((covered, error))
    return found


def _spread(errors: Sequence[float]) -> float | None:
    return 3 * median(map(abs, errors)) if errors else None
