"""What the sockets gave and nobody has looked at yet: the hub reads first and parses when no socket has more.

A message for 200 subscribers makes 200 sockets readable within two milliseconds. Reading one costs some 5 us, parsing
and recording 15 more: done in turn, the last socket would be read milliseconds after its kernel stamp, and what came
in between would be read together with it. So a read only keeps the bytes and the two stamps; libev's idle watcher,
which runs when nothing else is pending, does the rest in slices short enough to keep no timer and no socket waiting.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Container
from typing import NamedTuple, Protocol

import gevent

SLICE_NS = 100_000  # what parsing may keep a socket or an alarm waiting, give or take one item
MOST = 4_096  # reads kept; past that the generator is overloaded, and parses at once (the receive gap shows it)


class Taker(Protocol):
    """Where an item goes when its turn comes."""

    def take(self, read: Read) -> None: ...


class Read(NamedTuple):
    """One read of one socket; no bytes: the peer ended the connection, or `failure` did."""

    data: bytes
    ancillary: list[tuple[int, int, bytes]]
    user_ns: int  # CLOCK_MONOTONIC, right after the read
    failure: str = ""


class Inbox:
    """Reads of all sockets of one process, in their order."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Taker, Read]] = deque()
        self._idle = gevent.get_hub().loop.idle()
        self._started = False

    def put(self, taker: Taker, read: Read) -> None:
        """Keep `read` for `taker`; called in the hub."""
        self._waiting.append((taker, read))
        if not self._started:
            self._started = True
            self._idle.start(self._look)
        elif len(self._waiting) > MOST:
            self._look()

    def unparsed_bytes(self, takers: Container[Taker]) -> int:
        """Return how many bytes of these takers were read and not looked at yet."""
        return sum(len(read.data) for taker, read in self._waiting if taker in takers)

    def close(self) -> None:
        """Forget what nobody looked at."""
        self._waiting.clear()
        self._idle.stop()
        self._idle.close()

    def _look(self) -> None:
        waiting = self._waiting
        until_ns = time.monotonic_ns() + SLICE_NS
        while waiting:
            taker, read = waiting.popleft()
            taker.take(read)
            if time.monotonic_ns() >= until_ns:
                return
        self._idle.stop()
        self._started = False
