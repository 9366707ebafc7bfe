"""The plain fan-out: what comes is put into an outbox per subscriber.

Another one is plugged in by `Hub.join`, which takes what makes it beside a subscription: subclasses of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.model import Event, Framing
from core.stamps import Watch
from core.subscription import Subscription


class Fanout:
    """The subscribers of one channel in one framing."""

    __slots__ = ("_framing", "_queued", "watch")

    def __init__(self, framing: Framing) -> None:
        self.watch: Watch | None = None
        self._framing = framing
        self._queued: dict[Subscription, None] = {}

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._queued)

    def __contains__(self, subscription: object) -> bool:
        return subscription in self._queued

    def __len__(self) -> int:
        return len(self._queued)

    def add(self, subscription: Subscription) -> None:
        """Give a subscriber what comes from now on."""
        self._queued[subscription] = None

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber, after what this turn brought; harmless when it is not there."""
        self._queued.pop(subscription, None)

    def push(self, event: Event) -> list[Subscription]:
        """Frame an event and hand it on. Returns those whose outbox is full: they are to be cut."""
        if self.watch is not None:
            self.watch.pushed(event.position)
        frame = self._framing(event.body, event.position, event.kind)
        size_bytes = len(event.body)
        # A copy: one whose socket takes bytes again may leave the queue while it is offered a frame.
        full = [each for each in tuple(self._queued) if not each.offer(frame, size_bytes, 1)]
        if self.watch is not None and not self.pending:
            self.watch.written()
        return full

    @property
    def pending(self) -> int:
        """Events that were pushed and wait to be written together; here none does."""
        return 0

    def flush(self) -> None:
        """Write what is pending."""


NewFanout = Callable[[Framing], Fanout]
