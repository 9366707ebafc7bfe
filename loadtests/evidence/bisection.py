"""The search for the highest rate that is still carried: doubling, then halving the interval on a log scale. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class Search:
    """One search. `next_rate` says what to try, `note` takes how it went; rates are messages a second and room.

    One miss may be a neighbour's fault: a rate counts as missed when it was missed twice.
    """

    lowest: float
    highest: float
    within: float  # the search ends when missed / met is at most this, e.g. 1.1
    max_steps: int
    met: float | None = None  # the highest rate that was carried
    missed: float | None = None  # the lowest one that was not
    steps: int = 0
    _suspect: float | None = field(default=None, init=False)  # missed once

    def next_rate(self) -> float | None:
        """Return the rate to try next; None when the search is over, or out of steps."""
        return self._next() if self.steps < self.max_steps else None

    @property
    def over(self) -> bool:
        """Whether nothing is left to try, however many steps there were."""
        return self._next() is None

    def _next(self) -> float | None:
        if self._suspect is not None:
            return self._suspect
        if self.met is None:
            return self.lowest if self.missed is None else None
        if self.missed is None:
            return min(2 * self.met, self.highest) if self.met < self.highest else None
        if self.missed / self.met <= self.within:
            return None
        middle = _rounded(math.sqrt(self.met * self.missed))
        return middle if self.met < middle < self.missed else None

    def note(self, rate: float, *, met: bool) -> None:
        """Take the outcome of one try."""
        self.steps += 1
        if met:
            self.met, self._suspect = rate, None
        elif self._suspect == rate:
            self.missed, self._suspect = rate, None
        else:
            self._suspect = rate


def _rounded(rate: float, significant: int = 3) -> float:
    return round(rate, significant - 1 - math.floor(math.log10(rate)))
