"""What `RTLAB_STAMPS` plugs into a hub: it notes each step of an event's way, and writes them down at the end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.fanout import Fanout, Outside
from core.model import Event, Position, RoomId
from core.rounds import Rounds
from core.stamps import Stamps
from core.stats import Stats
from core.subscription import Answer, Framing, Subscription


class Stamping:
    """Stamps the events of one hub and writes `stamps-<instance>.csv` (see `stamps.COLUMNS`) into `folder`.

    `now_ns` is the host's CLOCK_MONOTONIC. A hub without one does nothing in its place.
    """

    def __init__(self, folder: Path, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.now_ns = now_ns
        self._folder = folder
        self._stamps = Stamps()

    @asynccontextmanager
    async def written(self, instance: str) -> AsyncIterator[None]:
        """Write the file on leaving without an error. Raises OSError when it can't be, before anything runs."""
        path = self._folder / f"stamps-{instance}.csv"
        path.touch()
        yield
        path.write_text("\n".join(self._stamps.lines()) + "\n", encoding="utf-8")

    def published(self, room: RoomId, position: Position, accepted_ns: int) -> None:
        """Note that a message, valid at `accepted_ns`, now has its offset."""
        self._stamps.published(room, position, accepted_ns, self.now_ns())

    def delivered(self, room: RoomId, position: Position) -> None:
        """Note that the backplane has delivered an event."""
        self._stamps.heard(room, position, self.now_ns())

    def fanout(self, framing: Framing, stats: Stats, outside: Outside, answer: Answer | None) -> Fanout:
        """A fan-out that stamps its writes; otherwise as the hub's own."""
        made: _Stamped
        if answer is None:
            made = _StampedFanout(framing, stats, outside)
        else:
            made = _StampedRounds(framing, stats, outside, answer)
        made.stamps, made.now_ns, made.waiting = self._stamps, self.now_ns, []
        return made


class _Stamped(Fanout):
    """What both kinds of fan-out get: they are told events, and write frames, so the positions are kept beside."""

    __slots__ = ()
    stamps: Stamps
    now_ns: Callable[[], int]
    waiting: list[Position]  # of the batch that is not written yet

    def push(self, event: Event, frame: Any) -> list[Subscription]:
        """See `Fanout.push`."""
        self.waiting.append(event.position)
        began_ns = self.now_ns()
        full = super().push(event, frame)
        if not self._batch:  # nobody waits at a socket: it is in the outboxes, or in the history for who asks
            self._note(began_ns)
        return full

    def flush(self) -> None:
        """See `Fanout.flush`."""
        began_ns = self.now_ns()
        batch = self._batch
        super().flush()
        if batch:
            self._note(began_ns)

    def _note(self, began_ns: int) -> None:
        self.stamps.written(self.waiting, began_ns, self.now_ns())
        self.waiting.clear()


class _StampedFanout(_Stamped):
    __slots__ = ("now_ns", "stamps", "waiting")


class _StampedRounds(_Stamped, Rounds):
    __slots__ = ("now_ns", "stamps", "waiting")
