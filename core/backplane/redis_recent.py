"""What has just come by: most who come back were told everything up to a moment ago, and need no call to Redis."""

from __future__ import annotations

from collections import deque
from typing import Final

from core.model import Event, Position

_EVENTS: Final = 256
_AGE_S: Final = 2.0


class Recent:
    """The last events of one room as they were delivered here: contiguous, of one epoch, few and young."""

    __slots__ = ("_age_s", "_events")

    def __init__(self, max_events: int, max_age_s: float) -> None:
        self._events: deque[tuple[float, Event]] = deque(maxlen=min(_EVENTS, max_events))
        self._age_s = min(_AGE_S, max_age_s)

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event, now_s: float) -> None:
        """Take note of a delivery; one that does not continue what is here begins anew."""
        position = event.position
        if self._events and self._events[-1][1].position != Position(position.epoch, position.offset - 1):
            self._events.clear()
        self._events.append((now_s, event))
        self.forget(now_s)

    def since(self, position: Position, now_s: float) -> list[Event] | None:
        """The events after `position`, at least one; None when they are not all here."""
        self.forget(now_s)
        if not self._events or self._events[0][1].position.epoch != position.epoch:
            return None
        skip = position.offset - self._events[0][1].position.offset + 1
        return [event for _, event in self._events][skip:] if 0 <= skip < len(self._events) else None

    def forget(self, now_s: float) -> None:
        """Let go of what is too old."""
        while self._events and self._events[0][0] <= now_s - self._age_s:
            self._events.popleft()
