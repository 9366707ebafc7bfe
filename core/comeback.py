"""When the clients of an instance that shuts down are to come back."""

from __future__ import annotations

import random
from typing import Final

from core.errors import ShuttingDown

_RETRY_MS: Final = (500, 3000)  # the jittered hint of a draining server: not everybody may come back at once
_JOINS_PER_S: Final = 1000  # that the others surely admit: N clients come back within N / u seconds (`rtlab run storm`)


class Comeback:
    """Spreads them over time, the longer the more they are."""

    __slots__ = ("_most_ms", "_rng")

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._most_ms = _RETRY_MS[1]

    def expect(self, clients: int) -> None:
        """Have so many come back."""
        self._most_ms = max(self._most_ms, _RETRY_MS[0] + 1000 * clients // _JOINS_PER_S)

    def told(self) -> ShuttingDown:
        """What one of them is told."""
        return ShuttingDown(
            "the server is shutting down", retry_after_ms=self._rng.randint(_RETRY_MS[0], self._most_ms)
        )
