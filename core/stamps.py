"""When each event took which step on its way through this instance: for the latency budget, off unless asked for.

A record in memory, written to a file at the end: none of it is ever on the wire. Times are nanoseconds of the host's
CLOCK_MONOTONIC, passed in. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from core.model import Position, RoomId

ABSENT: Final = -1
"""Stands where a step was not taken here: another instance took it, or there was nobody to write to."""

COLUMNS: Final = ("room", "offset", "accepted_ns", "appended_ns", "heard_ns", "writing_ns", "written_ns")
"""Of the file: the hub had the valid message; its offset was assigned; this instance's hub received it; the first
and the last write to the sockets of those who waited for it."""

_MAX_EVENTS: Final = 200_000  # about 60 MB; what comes later is not kept


class Stamps:
    """The steps of each event that came by, by its position: an epoch belongs to one room alone."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: dict[Position, _Row] = {}

    def published(self, room: RoomId, position: Position, accepted_ns: int, appended_ns: int) -> None:
        """Note a message of a client of this instance; one that was stored earlier keeps its first stamps."""
        row = self._row(room, position)
        if row is not None and row.accepted_ns == ABSENT:
            row.accepted_ns = accepted_ns
            # With the rooms in this process the hub receives it within the step that appends.
            row.appended_ns = appended_ns if row.heard_ns == ABSENT else min(appended_ns, row.heard_ns)

    def received(self, room: RoomId, position: Position, now_ns: int) -> None:
        """Note that the hub received an event; the first time counts."""
        row = self._row(room, position)
        if row is not None and row.heard_ns == ABSENT:
            row.heard_ns = now_ns

    def written(self, positions: Iterable[Position], began_ns: int, ended_ns: int) -> None:
        """Note one pass over the sockets that events went out with; of several the first began, the last ended."""
        for position in positions:
            row = self._rows.get(position)
            if row is not None:
                row.writing_ns = began_ns if row.writing_ns == ABSENT else min(row.writing_ns, began_ns)
                row.written_ns = max(row.written_ns, ended_ns)

    def lines(self) -> Iterator[str]:
        """Yield the file's lines: comma-separated, the columns' names first."""
        yield ",".join(COLUMNS)
        for position, row in self._rows.items():
            steps = (row.accepted_ns, row.appended_ns, row.heard_ns, row.writing_ns, row.written_ns)
            yield ",".join((row.room, str(position.offset), *map(str, steps)))

    def _row(self, room: RoomId, position: Position) -> _Row | None:
        row = self._rows.get(position)
        if row is None and len(self._rows) < _MAX_EVENTS:
            row = self._rows[position] = _Row(room)
        return row


class Watch:
    """Notes when the events of one fan-out were written: keeps the positions of those that were not yet."""

    __slots__ = ("_began_ns", "_now_ns", "_stamps", "_waiting")

    def __init__(self, stamps: Stamps, now_ns: Callable[[], int]) -> None:
        self._stamps = stamps
        self._now_ns = now_ns
        self._waiting: list[Position] = []
        self._began_ns = 0

    def pushed(self, position: Position) -> None:
        """Note an event that has come; it is written now, or waits for others."""
        self._waiting.append(position)
        self.writing()

    def writing(self) -> None:
        """Note that a pass over the sockets begins."""
        self._began_ns = self._now_ns()

    def written(self) -> None:
        """Note that all that was pushed has been written."""
        self._stamps.written(self._waiting, self._began_ns, self._now_ns())
        self._waiting.clear()


class _Row:
    __slots__ = ("accepted_ns", "appended_ns", "heard_ns", "room", "writing_ns", "written_ns")

    def __init__(self, room: RoomId) -> None:
        self.room = room
        self.accepted_ns = self.appended_ns = self.heard_ns = self.writing_ns = self.written_ns = ABSENT
