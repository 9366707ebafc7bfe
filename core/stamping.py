"""What `RTLAB_STAMPS` plugs into a hub: it notes each step of an event's way, and writes them down at the end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from core.fanout import Fanout, NewFanout
from core.model import Framing, Position, RoomId
from core.stamps import Stamps, Watch


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
        self._stamps.received(room, position, self.now_ns())

    def watching(self, new_fanout: NewFanout) -> NewFanout:
        """Make fan-outs as `new_fanout` does, that are watched while they write."""

        def watched(framing: Framing) -> Fanout:
            made = new_fanout(framing)
            made.watch = Watch(self._stamps, self.now_ns)
            return made

        return watched
