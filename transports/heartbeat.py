"""The heartbeats of an app's streams, and the first look at its polls."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol


class Beating(Protocol):
    """A stream that says from time to time that it lives, or a poll that has been held for a while."""

    def beat(self) -> None:
        """Do what is due: a stream says that it lives, unless something waits to be said anyway."""
        ...


class Heartbeat:
    """Calls each member once per interval, at its own phase: a timer each would be work and memory per connection."""

    __slots__ = ("_due", "_members", "_timer", "interval_s")

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self._due: deque[tuple[float, Beating]] = deque()  # in order: all have the same interval
        self._members: set[Beating] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, member: Beating) -> None:
        """Begin to call; the first time after one interval."""
        loop = asyncio.get_running_loop()
        self._members.add(member)
        self._due.append((loop.time() + self.interval_s, member))
        if self._timer is None:
            self._timer = loop.call_later(self.interval_s, self._beat)

    def discard(self, member: Beating) -> None:
        """Stop calling; harmless for one that is no member."""
        self._members.discard(member)

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        while self._due and self._due[0][0] <= now_s:
            _, member = self._due.popleft()
            if member in self._members:
                member.beat()
            if member in self._members:  # it may have left by that
                self._due.append((now_s + self.interval_s, member))
        self._timer = loop.call_at(self._due[0][0], self._beat) if self._due else None
