"""One subscriber as the hub sees it: an outbox, and a way to wake whoever empties it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from core.backplane.base import Lease
from core.errors import RoomError, SlowConsumer
from core.model import Event, FrameKind, Framing, Position, Principal, Start
from core.outbox import Backlog, Outbox
from core.stats import Stats
from core.writer import Turns, Write, Writer

_NOWHERE: Final = Start(Position("", 0), recovered=False)


class Source(Protocol):
    """Where a subscription's events come from."""

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber; harmless when it is not there."""
        ...


class Subscription:
    """Frames wait here until they are taken, or poured. Made by `Hub.attach`, ended by `Hub.detach`.

    Nothing is lost by cancelling `take`: frames leave the outbox only in the step that returns them.
    """

    __slots__ = (
        "_backlog",
        "_end",
        "_stats",
        "_waiter",
        "_writer",
        "channel",
        "ended",
        "framing",
        "given_up",
        "is_poller",
        "lease",
        "outbox",
        "principal",
        "start",
        "transport",
    )

    def __init__(
        self,
        principal: Principal,
        lease: Lease,
        transport: str,
        framing: Framing,
        outbox_bytes: int,
        stats: Stats,
        *,
        is_poller: bool = False,
    ) -> None:
        self.principal = principal
        self.lease = lease
        self.transport = transport
        self.framing = framing
        self.outbox: Outbox[Any] = Outbox(outbox_bytes)
        self.is_poller = is_poller  # its lease outlives it: the next poll is on its way
        self.start = _NOWHERE
        self.channel: Source | None = None  # set when it has joined
        self.given_up: Callable[[], None] | None = None  # called when it is cut: its writer may hang in a full socket
        self._stats = stats
        self._backlog: Backlog | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writer: Writer | None = None  # while nothing waits before what comes next, or only for this turn's end
        self.ended = False  # no more will come than what waits
        self._end: RoomError | None = None

    def replay(self, events: Iterable[Event]) -> None:
        """Put history before what comes live. Framed only when taken; the events are shared with the history."""
        self._backlog = Backlog(events) or None

    def offer(self, frame: Any, size_bytes: int, events: int) -> bool:
        """Write a frame, or queue it. Returns False when the outbox is full: the caller then cuts this subscriber."""
        if self.ended:
            return True  # what waits is still taken, but a busy room must not keep it from ending
        writer = self._writer
        if writer is not None and (writer.turns is None or not (self.outbox.waiting_bytes or writer.has_written)):
            self._stats.deliveries[self.transport] += events
            self._begin(writer, [frame])
            return True
        if not self.outbox.push(frame, size_bytes, events):
            return False
        if writer is None or writer.turns is None:
            self._wake()
        elif len(self.outbox) == 1:
            writer.turns.at_end(self._end_turn)
        return True

    def send_control(self, body: bytes, position: Position | None = None) -> None:
        """Queue what is no event (an ack, an error, a resync); a subscriber that leaves no room for it is cut."""
        kind: FrameKind = "notice" if position is None else "resync"
        if not self.ended and not self.offer(self.framing(body, position, kind), len(body), 0):
            self.cut()

    def end(self, reason: RoomError | None = None) -> None:
        """Let what waits be taken, then end: `take` raises `reason`, or returns nothing more. The first end counts."""
        if not self.ended:
            self.ended, self._end = True, reason
            self._wake()

    def cut(self) -> None:
        """End a slow consumer at once: what waits is given up, since only a resume can bring it in order."""
        if not self.ended:
            self._stats.slow_consumers[self.transport] += 1
            self._backlog = None
            self.outbox.clear()
            self.end(SlowConsumer("not read fast enough; resume from the last position"))
            if self.given_up is not None:
                self.given_up()

    async def take(self) -> list[Any]:
        """Wait for frames and take them, oldest first.

        An empty list means the end; raises the RoomError it ended with, if any.
        """
        while not (frames := self.take_now()):
            if self.ended:
                if self._end is not None:
                    raise self._end
                return []
            await self._news()
        return frames

    async def pour(self, write: Write, turns: Turns | None = None) -> None:
        """Have `write` send what waits and what comes, oldest first, until the end. In place of `take`.

        While nothing waits, `write` begins in the step that brings a frame; this task goes on with it only where it
        has to wait. With `turns`, frames of one turn after the first are written together. Raises what `write` raises,
        and the RoomError that the subscription ended with, if any.
        """
        writer = Writer(write, turns)
        while True:
            while frames := self.take_now():
                await write(frames)
            if self.ended:
                break
            await self._written_by(writer)
        if self._end is not None:
            raise self._end

    async def _written_by(self, writer: Writer) -> None:
        """Write whatever comes at once, until something waits or it ends."""
        error: BaseException | None = None
        self._writer = writer
        try:
            await self._news()
        except asyncio.CancelledError as cancelled:
            error = cancelled
        finally:
            self._writer = None
        await writer.finish(error)

    def _begin(self, writer: Writer, frames: list[Any]) -> None:
        self._writer = None  # what comes meanwhile waits
        if writer.begin(frames) and not self.outbox.waiting_bytes:
            self._writer = writer
        else:
            self._wake()

    def _end_turn(self) -> None:
        if self._writer is not None and (frames := self.take_now()):
            self._begin(self._writer, frames)

    def _news(self) -> asyncio.Future[None]:
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def take_now(self) -> list[Any]:
        """Take what waits, oldest first, without waiting."""
        if self._backlog is not None:
            frames = self._backlog.take(self.framing)
            events = len(frames)
            if not self._backlog:
                self._backlog = None
        else:
            frames, events = self.outbox.take()
        self._stats.deliveries[self.transport] += events
        return frames

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
