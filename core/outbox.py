"""What a subscriber has not taken yet: what came, within a bound, and before it the history it is owed."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Generic, TypeVar

from core.model import Event, Framing

REPLAY_BYTES: Final = 65_536  # of history handed over at a time, so that a long resume is never a slow consumer

Frame = TypeVar("Frame")


class Outbox(Generic[Frame]):
    """Frames in order, at most `max_bytes` of them waiting. Over the bound the subscriber is slow: nothing is dropped
    in the middle, the whole outbox is given up and its owner cut.

    A single frame is always taken when nothing waits, whatever its size: a bound below one message would make
    delivery impossible.
    """

    __slots__ = ("_events", "_frames", "max_bytes", "peak_bytes", "waiting_bytes")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.waiting_bytes = 0
        self.peak_bytes = 0
        self._frames: list[Frame] = []
        self._events = 0

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, frame: Frame, size_bytes: int, events: int) -> bool:
        """Append a frame that carries `events` events (0 for a control frame). Returns False when full: not taken."""
        waiting = self.waiting_bytes + size_bytes
        if waiting > self.max_bytes and self._frames:
            return False
        self._frames.append(frame)
        self._events += events
        self.waiting_bytes = waiting
        if waiting > self.peak_bytes:
            self.peak_bytes = waiting
        return True

    def take(self) -> tuple[list[Frame], int]:
        """Everything that waits, oldest first, and how many events it carries; the outbox is empty after."""
        taken, events = self._frames, self._events
        self._frames, self._events, self.waiting_bytes = [], 0, 0
        return taken, events

    def clear(self) -> None:
        """Give up what waits."""
        self.take()


class Backlog(deque[Event]):
    """History that a subscriber is owed. The events are shared with the history, and framed only when taken."""

    def take(self, framing: Framing) -> list[Any]:
        """The frames of the oldest events, of at least `REPLAY_BYTES` together unless there are no more."""
        frames: list[Any] = []
        size_bytes = 0
        while self and size_bytes < REPLAY_BYTES:
            event = self.popleft()
            size_bytes += len(event.body)
            frames.append(framing(event.body, event.position, event.kind))
        return frames
