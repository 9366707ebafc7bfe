"""A batcher in the hands of a test."""

from __future__ import annotations

from core.backplane.base import Lease
from core.model import Event, EventType, Position, Principal, RoomId, UserId
from core.stats import Stats
from core.subscription import Subscription
from tests.core.instances import frame
from tests.transports.direct.loop import Loop
from tests.transports.direct.sink import FakeSink
from transports.direct.batches import Batcher
from transports.direct.subscription import DirectSubscription

ALICE = Principal(UserId("alice"), None, 1e12, "k")
LEASE = Lease(RoomId("lobby"), UserId("alice"), "tab")


class Room:
    """A batcher with numbered events."""

    def __init__(self, outbox_bytes: int = 1 << 20, coalesce_s: float = 0.0, few: int = 0) -> None:
        self.stats = Stats()
        self.loop = Loop()
        self.fanout = Batcher(frame, self.stats, self.loop.services(coalesce_s, few))
        self.head = 0
        self._outbox_bytes = outbox_bytes

    def subscriber(self) -> DirectSubscription:
        subscription = DirectSubscription(ALICE, LEASE, "test", frame, self._outbox_bytes, self.stats)
        self.fanout.add(subscription)
        return subscription

    def direct(self, room_for: int = 1_000_000, *, raw: bool = False) -> FakeSink:
        subscription = self.subscriber()
        sink = FakeSink(subscription, room_for, raw=raw)
        sink.connect()
        return sink

    def publish(self, body: bytes = b"%d", kind: EventType = "chat") -> list[Subscription]:
        """One more event; the channel cuts those for whom it was too much."""
        self.head += 1
        event = Event(Position("epoch0001", self.head), body.replace(b"%d", b"%d" % self.head), kind)
        slow = self.fanout.push(event)
        for subscription in slow:
            self.fanout.remove(subscription)
            subscription.cut()
        return slow


def numbers(lines: list[bytes]) -> list[int]:
    return [int(line) for line in lines]
