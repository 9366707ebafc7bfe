"""One subscriber as the hub sees it: an outbox, and a way to wake whoever empties it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from core.backplane.base import Lease
from core.errors import RoomError, SlowConsumer
from core.model import Event, FrameKind, Position, Principal, ResyncReason
from core.outbox import Outbox
from core.stats import Stats

if TYPE_CHECKING:
    from core.channel import Channel
    from core.fanout import Fanout

# What a transport sends for a body. The position is the stream's after it; None for a notice, which has no place in it.
# The result is opaque to the hub; it is made once per event and transport, and shared by all subscribers.
Framing = Callable[[bytes, Position | None, FrameKind], Any]


class Answer(Protocol):
    """Joins the frames that came into the one write of a subscriber that is answered once."""

    def __call__(self, frames: list[Any]) -> bytes:
        """The write for those to whom all of them are news."""
        ...

    def rests(self, frames: list[Any]) -> Callable[[int], bytes]:
        """What gives the write for those who know so many of them: in a storm of joins another one for each."""
        ...


class Sink(Protocol):
    """A socket as a direct subscription sees it: bytes go straight to its buffer, flow control comes back."""

    def write(self, data: bytes) -> object:
        """Hand over bytes; never blocks. May call `Subscription.pause` before it returns."""
        ...

    @property
    def descriptor(self) -> int | None:
        """Of the socket, where it may be written to itself while nothing waits in the buffer; None: it may not."""
        ...

    def finish(self, reason: RoomError | None) -> None:
        """Say why it ends, and close."""
        ...


REPLAY_BYTES: Final = 65_536  # of history handed over at a time, so that a long resume is never a slow consumer


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stream starts: the given position when `recovered`, else the head, and why a resume failed."""

    position: Position
    recovered: bool
    resync: ResyncReason | None = None


class Subscription:
    """Frames wait here until they are taken. Made by `Hub.attach`, ended by `Hub.detach`.

    Nothing is lost by cancelling `take`: frames leave the outbox only in the step that returns them.
    """

    __slots__ = (
        "_backlog",
        "_end",
        "_ended",
        "_paused",
        "_sink",
        "_stats",
        "_waiter",
        "answer",
        "channel",
        "descriptor",
        "doubts",
        "fanout",
        "framing",
        "given_up",
        "lease",
        "linger",
        "outbox",
        "principal",
        "start",
        "transport",
        "vouched_until_s",
        "write",
    )

    def __init__(
        self,
        principal: Principal,
        lease: Lease,
        transport: str,
        framing: Framing,
        outbox: Outbox[Any],
        stats: Stats,
        *,
        linger: bool = False,
        answer: Answer | None = None,
    ) -> None:
        self.principal = principal
        self.lease = lease
        self.transport = transport
        self.framing = framing
        self.outbox = outbox
        self.linger = linger  # keep the lease for its time after the end: a poller's next poll is on its way
        self.answer = (
            answer  # makes of all that came the one write of a subscriber that is heard of once; None: a stream
        )
        # A poller's token and lease are good until then, if nobody has come to doubt leases since; the hub's to note.
        self.vouched_until_s = 0.0
        self.doubts = 0
        self.start = Start(Position("", 0), recovered=False)
        self.channel: Channel | None = None  # that let it in
        self.fanout: Fanout | None = None  # where it hears from; set by the fan-out
        self.write: Callable[[bytes], object] = _unconnected
        self.descriptor: int | None = None
        self.given_up: Callable[[], None] | None = None  # called when it is cut: its writer may hang in a full socket
        self._sink: Sink | None = None
        self._paused = False
        self._stats = stats
        self._backlog: deque[Event] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._end: RoomError | None = None

    @property
    def ended(self) -> bool:
        """Whether no more will come than what waits."""
        return self._ended

    @property
    def direct(self) -> bool:
        """Whether frames may go straight to the socket now: it takes bytes, and nothing waits before them."""
        return self._sink is not None and not self._paused and not self._ended and not len(self.outbox)

    def replay(self, events: Iterable[Event]) -> None:
        """Put history before what comes live. Framed only when taken; the events are shared with the history."""
        self._backlog = deque(events) or None

    def offer(self, frame: Any, size_bytes: int, events: int) -> bool:
        """Queue a frame. Returns False when the outbox is full: the caller then cuts this subscriber."""
        if self._ended:
            return True  # what waits is still taken, but a busy room must not keep it from ending
        if not self.outbox.push(frame, size_bytes, events):
            return False
        self._wake()
        return True

    def connect(self, sink: Sink, opening: bytes = b"") -> None:
        """Become direct: from now on the bytes of frames go to `sink` as they come, and nobody calls `take`.

        What the stream opens with is one write with what has come already.
        """
        self._sink = sink
        self.write = sink.write
        self.descriptor = sink.descriptor
        if opening:
            self.write(opening if self._paused else b"".join((opening, *self.take_now())))
        self._pump()

    def disconnect(self) -> None:
        """The sink is gone: nothing may be written to it any more."""
        self._sink = None
        self.write, self.descriptor = _unconnected, None
        if self.fanout is not None:
            self.fanout.drop(self)

    def rewire(self, write: Callable[[bytes], object], descriptor: int | None = None) -> None:
        """Write to the sink by other means from now on."""
        self.write = write
        self.descriptor = descriptor
        if self.fanout is not None:
            self.fanout.rewire()

    def pause(self) -> None:
        """The sink's buffer is over its high-water mark: queue, within the outbox's bound."""
        self._paused = True
        if self.fanout is not None:
            self.fanout.demote(self)

    def resume(self) -> None:
        """The sink takes bytes again."""
        self._paused = False
        self._pump()

    def send_control(self, body: bytes, position: Position | None = None) -> None:
        """Queue what is no event (an ack, an error, a resync); a subscriber that leaves no room for it is cut."""
        kind: FrameKind = "notice" if position is None else "resync"
        if not self._ended and not self.offer(self.framing(body, position, kind), len(body), 0):
            self.cut()

    def end(self, reason: RoomError | None = None) -> None:
        """Let what waits be taken, then end: `take` raises `reason`, or returns nothing more. The first end counts."""
        if not self._ended:
            if self.fanout is not None:
                self.fanout.demote(self)
            self._ended, self._end = True, reason
            self._wake()

    def cut(self) -> None:
        """End a slow consumer at once: what waits is given up, since only a resume can bring it in order."""
        if not self._ended:
            self._stats.slow_consumers[self.transport] += 1
            self._backlog = None
            self.outbox.clear()
            self.end(SlowConsumer("not read fast enough; resume from the last position"))
            if self._sink is not None and self._paused:
                self._finish()  # it will not read what waits: there is nothing to wait for
            if self.given_up is not None:
                self.given_up()

    async def take(self) -> list[Any]:
        """Wait for frames and take them, oldest first.

        An empty list means the end; raises the RoomError it ended with, if any.
        """
        while not (frames := self.take_now()):
            if self._ended:
                if self._end is not None:
                    raise self._end
                return []
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return frames

    def take_now(self) -> list[Any]:
        """Take what waits, oldest first, without waiting."""
        if self._backlog is not None:
            return self._take_backlog(self._backlog)
        frames, events = self.outbox.take()
        self._stats.deliveries[self.transport] += events
        return frames

    def _take_backlog(self, backlog: deque[Event]) -> list[Any]:
        frames: list[Any] = []
        size_bytes = 0
        while backlog and size_bytes < REPLAY_BYTES:
            event = backlog.popleft()
            size_bytes += len(event.body)
            frames.append(self.framing(event.body, event.position, event.kind))
        if not backlog:
            self._backlog = None
        self._stats.deliveries[self.transport] += len(frames)
        return frames

    def _pump(self) -> None:
        """Write what waits for a direct subscriber, as far as its sink takes it; then let it have the rest live."""
        while not self._paused and (frames := self.take_now()):
            if self.answer is not None:
                self._conclude(self.answer(frames))
                return
            self.write(b"".join(frames))
        if self._paused:
            return
        if self._ended:
            self._finish()
        elif self.fanout is not None:
            self.fanout.promote(self)

    def _conclude(self, answer: bytes) -> None:
        if self.fanout is not None:
            self.fanout.remove(self)
        self._stats.connections[self.transport] -= 1
        self._backlog = None  # what did not fit into this answer is asked for with the next poll
        self.outbox.clear()
        self.write(answer)

    def _finish(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            self.write, self.descriptor = _unconnected, None
            sink.finish(self._end)

    def _wake(self) -> None:
        if self._sink is not None:
            self._pump()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _unconnected(data: bytes) -> None:
    """Stands in for the socket of a subscription that has none, or none any more."""
