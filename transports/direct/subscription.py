"""Subscribers whose frames go straight to a socket, and those among them that are answered once and poll again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from core.backplane.base import Lease
from core.channel import Channel
from core.errors import RoomError
from core.model import Framing, Position, Principal
from core.stats import Stats
from core.subscription import Subscription


class Sink(Protocol):
    """A connection as a direct subscription sees it. Flow control comes back: `pause` and `resume`."""

    def finish(self, reason: RoomError | None) -> None:
        """Say why it ends, and close."""
        ...


class Direct(Protocol):
    """The fan-out as its subscriptions see it: `batches.Batcher`."""

    def __contains__(self, subscription: object) -> bool: ...
    def promote(self, subscription: DirectSubscription) -> None: ...
    def demote(self, subscription: DirectSubscription) -> None: ...
    def rewire(self) -> None: ...
    def reply(self, subscription: DirectSubscription, body: bytes) -> bool: ...
    def drop(self, subscription: DirectSubscription) -> None: ...
    def remove(self, subscription: Subscription) -> None: ...


class DirectSubscription(Subscription):
    """Frames go to the sink while it takes bytes, and wait in the outbox while it does not. Nobody calls `take`."""

    __slots__ = ("_paused", "_sink", "descriptor", "fanout", "write")

    channel: Channel | None

    def __init__(
        self, principal: Principal, lease: Lease, transport: str, framing: Framing, outbox_bytes: int, stats: Stats
    ) -> None:
        super().__init__(principal, lease, transport, framing, outbox_bytes, stats)
        self.fanout: Direct | None = None  # set by the fan-out
        self.write: Callable[[bytes], object] = _unconnected
        self.descriptor: int | None = None
        self._sink: Sink | None = None
        self._paused = False

    @property
    def direct(self) -> bool:
        """Whether frames may go straight to the socket now: it takes bytes, and nothing waits before them."""
        return self._sink is not None and not self._paused and not self.ended and not len(self.outbox)

    def connect(
        self, sink: Sink, write: Callable[[bytes], object], descriptor: int | None, opening: bytes = b""
    ) -> None:
        """Become direct: from now on the bytes of frames go to the socket of `sink` as they come.

        `write` hands them over and never blocks; it may call `pause` before it returns. The socket itself, if there is
        a descriptor, is written to while nothing waits in its buffer. What the stream opens with is one write with what
        has come already.
        """
        self._sink = sink
        self.write = write
        self.descriptor = descriptor
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
        """Send what is no event: before the events of this turn and in one write with them, where that can be."""
        if position is not None or self.fanout is None or not self.fanout.reply(self, body):
            super().send_control(body, position)

    def end(self, reason: RoomError | None = None) -> None:
        """As before; the sink first gets what this turn brought."""
        if not self.ended and self.fanout is not None:
            self.fanout.demote(self)
        super().end(reason)

    def cut(self) -> None:
        """As before; a sink that takes nothing is finished at once."""
        if not self.ended:
            super().cut()
            if self._sink is not None and self._paused:
                self._finish()  # it will not read what waits: there is nothing to wait for

    def _wake(self) -> None:
        if self._sink is not None:
            self._pump()
        super()._wake()

    def _pump(self) -> None:
        """Write what waits, as far as the sink takes it; then let it have the rest live."""
        while not self._paused and (frames := self.take_now()):
            self.write(b"".join(frames))
        self._go_live()

    def _go_live(self) -> None:
        if self._paused:
            return
        if self.ended:
            self._finish()
        elif self.fanout is not None:
            self.fanout.promote(self)

    def _finish(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            self.write, self.descriptor = _unconnected, None
            sink.finish(self._end)


class Answer(Protocol):
    """Joins the frames that came into the one write of a subscriber that is answered once."""

    def __call__(self, frames: list[Any]) -> bytes:
        """The write for those to whom all of them are news."""
        ...

    def rests(self, frames: list[Any]) -> Callable[[int], bytes]:
        """What gives the write for those who know so many of them: in a storm of joins another one for each."""
        ...


class PollSubscription(DirectSubscription):
    """Answered once with all that has come. Then it gets nothing until it is resumed (`returns.Returns`)."""

    __slots__ = ("_answer", "auth_valid_until_s", "lease_generation")

    def __init__(
        self,
        principal: Principal,
        lease: Lease,
        transport: str,
        framing: Framing,
        outbox_bytes: int,
        stats: Stats,
        answer: Answer,
    ) -> None:
        super().__init__(principal, lease, transport, framing, outbox_bytes, stats)
        self.is_poller = True
        self._answer = answer
        # Its token and lease are good until then, as long as the leases' generation is the same; noted by `Returns`.
        self.auth_valid_until_s = 0.0
        self.lease_generation = 0

    def end(self, reason: RoomError | None = None) -> None:
        """As before. One that is answered with what this turn brought gets no second answer to the same poll: only a
        new `attach` lets it poll again, and gets the reason.
        """
        if self.fanout is not None:
            self.fanout.demote(self)
            if self._sink is not None and self not in self.fanout:
                self.channel = None
                return
        super().end(reason)

    def _pump(self) -> None:
        if not self._paused and (frames := self.take_now()):
            self._conclude(self._answer(frames))
        else:
            self._go_live()

    def _conclude(self, answer: bytes) -> None:
        if self.fanout is not None:
            self.fanout.remove(self)
        self._stats.connections[self.transport] -= 1
        self._backlog = None  # what did not fit into this answer is asked for with the next poll
        self.outbox.clear()
        self.write(answer)


def _unconnected(data: bytes) -> None:
    """Stands in for the socket of a subscription that has none, or none any more."""
