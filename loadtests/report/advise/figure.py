"""A figure, and how it is known: measured, between measurements, by a model, or published."""

from __future__ import annotations

from dataclasses import dataclass, replace

MEASURED, BETWEEN, MODELLED, PUBLISHED = "measured", "between measurements", "modelled", "published"
FROM_THE_BEST = (MEASURED, BETWEEN, MODELLED, PUBLISHED)
EXTRAPOLATED = "extrapolated"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `low` and `high`: its 95 % interval, or its model's residual; None: not known.

    `source`: the runs, or who published it and when. `at_least`: only this lower bound is known. `extrapolated`: the
    case lies outside the range in which the models were tested.
    """

    value: float
    low: float | None
    high: float | None
    how: str
    source: str
    at_least: bool = False
    extrapolated: bool = False

    def times(self, factor: float) -> Figure:
        """Return the figure in another unit, or of so many."""
        low, high = (None if end is None else end * factor for end in (self.low, self.high))
        return replace(self, value=self.value * factor, low=low, high=high)

    def plus(self, added: float) -> Figure:
        """Return the figure with an exact part on top."""
        low, high = (None if end is None else end + added for end in (self.low, self.high))
        return replace(self, value=self.value + added, low=low, high=high)

    def floored(self, least: float) -> Figure:
        """Return the figure, with its interval, at or above what it cannot be below."""
        low, high = (None if end is None else max(end, least) for end in (self.low, self.high))
        return replace(self, value=max(self.value, least), low=low, high=high)

    @property
    def known(self) -> str:
        """How it is known, in a few words."""
        return EXTRAPOLATED if self.extrapolated else self.how


def worst(*figures: Figure | None) -> str:
    """Return how the least known of these figures is known."""
    return max((f.how for f in figures if f is not None), key=FROM_THE_BEST.index, default=PUBLISHED)
