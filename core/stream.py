"""One room's bounded history."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from core.model import Draft, Event, Position, RoomId, Unrecoverable
from core.wire import event_body


class Stream:
    """The last events of one life of a room, at most `max_events` of them, none older than `max_age_s`.

    Guarantees: offsets run from 1 without holes; whatever is returned by `since` continues its position without a
    hole. `now_s` is any clock that does not run backwards.
    """

    __slots__ = ("_events", "_head", "_max_age_s", "_max_events", "epoch", "room")

    def __init__(self, room: RoomId, epoch: str, max_events: int, max_age_s: float) -> None:
        self.room = room
        self.epoch = epoch
        self._max_events = max_events
        self._max_age_s = max_age_s
        self._head = 0
        self._events: deque[tuple[float, Event]] = deque()

    @property
    def head(self) -> Position:
        """The position after the newest event."""
        return Position(self.epoch, self._head)

    @property
    def first_offset(self) -> int:
        """The offset of the oldest event still held; one past the head when none is."""
        return self._head - len(self._events) + 1

    def __len__(self) -> int:
        return len(self._events)

    def append(self, draft: Draft, now_s: float) -> Event:
        """Give the draft the next offset and keep it."""
        self._head += 1
        position = Position(self.epoch, self._head)
        event = Event(position, event_body(self.room, position, draft.payload), draft.kind)
        self._events.append((now_s, event))
        self.trim(now_s)
        return event

    def since(self, position: Position, now_s: float) -> tuple[Event, ...] | Unrecoverable:
        """The events after `position`, oldest first, or why they cannot be given."""
        self.trim(now_s)
        begin = Position(self.epoch, self.first_offset - 1)
        if position.epoch != self.epoch:
            return Unrecoverable("epoch_changed", self.head, begin)
        if position.offset > self._head:
            return Unrecoverable("position_ahead", self.head, begin)
        if position.offset < begin.offset:
            return Unrecoverable("history_evicted", self.head, begin)
        behind = self._head - position.offset
        # From the right: those who resume are nearly always near the head, and a deque is cheap at its ends.
        return tuple(self._events[-back][1] for back in range(behind, 0, -1))

    def trim(self, now_s: float) -> None:
        """Drop what is over the bounds."""
        events = self._events
        oldest_s = now_s - self._max_age_s
        while events and (len(events) > self._max_events or events[0][0] <= oldest_s):
            events.popleft()


def merge(since: Position, history: Sequence[Event], live: Sequence[Event], head: Position) -> list[Event] | None:
    """Join what was read from history with what came live meanwhile: the events after `since` up to `head`.

    Each once, in order, without a hole; None when that cannot be had from the two.
    """
    if head.epoch != since.epoch:
        return None
    merged: list[Event] = []
    wanted = since.offset + 1
    for event in (*history, *live):
        if event.position == Position(head.epoch, wanted) and wanted <= head.offset:
            merged.append(event)
            wanted += 1
    return merged if wanted == head.offset + 1 else None
