"""When clients that were cut come back: each within a window by its own back-off, or as fast as they are admitted."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from loadtests.load.storm.loop import Loop

_AFTER_FAILURE_S = 0.5  # at least: within so long after the first failure, twice as long after the second, and so on
_CAP_S = 10.0
_AGAIN_S = 0.05


class Comeback(Protocol):
    """Lets clients come back."""

    def ended(self, start: Callable[[], None], failures: int) -> None:
        """Call `start` when a client may try again that has failed so often since it was cut."""

    def back(self) -> None:
        """Take note that a client is back."""


class Window:
    """Anywhere within `window_s`, evenly, also after a first failure; then longer each time, at random (full jitter).

    Linux closes the connections of a killed process before its listening socket. So who comes back within milliseconds
    may still meet it, and is refused. That says nothing of the load.
    """

    def __init__(self, loop: Loop, window_s: float, rng: random.Random) -> None:
        self._loop, self._window_s, self._rng = loop, window_s, rng

    def ended(self, start: Callable[[], None], failures: int) -> None:
        """See `Comeback`."""
        longest_s = self._window_s
        if failures:
            longest_s = min(max(_CAP_S, longest_s), max(_AFTER_FAILURE_S, longest_s) * 2 ** (failures - 1))
        self._loop.at(time.monotonic_ns() + int(self._rng.uniform(0.0, longest_s) * 1e9), start)

    def back(self) -> None:
        """See `Comeback`."""


class Gate:
    """As fast as they are admitted: `most` attempts are on their way, the others wait for their turn."""

    def __init__(self, loop: Loop, most: int) -> None:
        self._loop, self._free = loop, most
        self._waiting: deque[Callable[[], None]] = deque()

    def ended(self, start: Callable[[], None], failures: int) -> None:
        """See `Comeback`."""
        if failures:  # it keeps its place
            self._loop.at(time.monotonic_ns() + int(_AGAIN_S * 1e9), start)
        elif self._free:
            self._free -= 1
            start()
        else:
            self._waiting.append(start)

    def back(self) -> None:
        """See `Comeback`."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._free += 1
