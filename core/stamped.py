"""A hub that stamps each step of an event's way: what `RTLAB_STAMPS` puts in the place of the ordinary one.

It overrides the steps and adds nothing to them but the stamps, so that the ordinary hub pays nothing for it.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core import wire
from core.backplane.base import Backplane
from core.fanout import Fanout, Write
from core.hub import Hub
from core.model import Event, Position, Principal, Published, RoomId
from core.rounds import Rounds
from core.settings import Settings
from core.stamps import Stamps
from core.subscription import Answer, Framing, Subscription


class StampedHub(Hub):
    """See `Hub`. On leaving `running()` it writes `stamps-<instance>.csv` (see `stamps.COLUMNS`) into a folder."""

    def __init__(
        self,
        backplane: Backplane,
        settings: Settings,
        *,
        secret: bytes,
        write: Write,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(backplane, settings, secret=secret, write=write, clock=clock, wall_clock=wall_clock, rng=rng)
        self.stamps = Stamps()
        self._folder = folder
        self._now_ns = now_ns

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See `Hub.running`. Raises OSError when the folder can't be written to, before anything runs."""
        path = self._folder / f"stamps-{self.instance}.csv"
        path.touch()
        async with super().running():
            yield
        path.write_text("\n".join(self.stamps.lines()) + "\n", encoding="utf-8")

    def deliver(self, room: RoomId, event: Event) -> None:
        """See `Listener.deliver`."""
        self.stamps.heard(room, event.position, self._now_ns())
        super().deliver(room, event)

    async def _publish(self, principal: Principal, room: RoomId, chat: wire.Chat) -> Published:
        accepted_ns = self._now_ns()
        published = await super()._publish(principal, room, chat)
        self.stamps.published(room, published.position, accepted_ns, self._now_ns())
        return published

    def _fanout(self, framing: Framing, answer: Answer | None) -> Fanout:
        made: _Stamped
        if answer is None:
            made = _StampedFanout(framing, self.stats, self._outside())
        else:
            made = _StampedRounds(framing, self.stats, self._outside(), answer)
        made.stamps, made.now_ns, made.waiting = self.stamps, self._now_ns, []
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
