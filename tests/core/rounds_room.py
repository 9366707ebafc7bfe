"""Pollers of one channel in the hands of a test: each holds every answer to what it may hear."""

from __future__ import annotations

import asyncio
from typing import Any

from core.backplane.base import Lease
from core.channel import Channel
from core.fanout import Fanout
from core.model import Event, EventType, Position, Principal, RoomId, UserId
from core.outbox import Outbox
from core.rounds import Rounds
from core.settings import Settings
from core.stats import Stats
from core.subscription import Answer, Framing, Subscription
from tests.core.instances import frame
from tests.core.loop import Loop
from tests.core.sink import Together

ALICE = Principal(UserId("alice"), None, 1e12, "k")
LEASE = Lease(RoomId("lobby"), UserId("alice"), "poll-k")
EPOCH = "epoch0001"
WRITE_S = 0.001  # what answering one poller takes
JOINED: EventType = "user_joined"


class Poller:
    """A client that polls: what it was told, and up to where."""

    descriptor = None

    def __init__(self, room: Room, *, asks_where: bool = False) -> None:
        """It waits; or it has asked where to begin, was answered at once, and is on its way back."""
        self._room = room
        self.at = room.head
        self.told: list[list[int]] = []
        self.waits = False
        outbox: Outbox[bytes] = Outbox(1 << 20)
        self.subscription = Subscription(ALICE, LEASE, "poll", frame, outbox, room.stats, answer=Together())
        self.subscription.start = room.register(self.subscription)
        if asks_where:
            assert room.channel.withdraw(self.subscription)
        self.subscription.connect(self)
        self.waits = not asks_where

    def write(self, data: bytes) -> None:
        self._room.loop.now_s += WRITE_S
        self.waits = False
        self.hear([int(line) for line in data.split()])

    def finish(self, reason: object) -> None:
        raise AssertionError("nothing ends a poll here")

    def hear(self, offsets: list[int]) -> None:
        assert offsets == list(range(self.at + 1, self.at + 1 + len(offsets)))
        assert offsets
        self.told.append(offsets)
        self.at = offsets[-1]

    def come_back(self) -> None:
        assert not self.waits
        missed = self._room.channel.resume(self.subscription, Position(EPOCH, self.at), self._room.loop.now_s)
        assert missed is not None
        self.waits = not missed
        if missed:
            self.hear([event.position.offset for event in missed])


class Room:
    """One channel, with a head, and pollers on it."""

    def __init__(self, coalesce_s: float = 0.0) -> None:
        self.loop = Loop()
        self._coalesce_s = coalesce_s
        self.stats = Stats()
        self.head = 0
        backplane: Any = _Followed()
        self.channel = Channel(
            RoomId("lobby"), backplane, Settings(), lambda: self.loop.now_s, self._rounds, lambda: None
        )
        asyncio.run(self.channel.open())

    def _rounds(self, framing: Framing, answer: Answer | None) -> Fanout:
        assert answer is not None
        return Rounds(framing, self.stats, self.loop.outside(self._coalesce_s), answer)

    def register(self, subscription: Subscription) -> Any:
        self.stats.connections["poll"] += 1
        asyncio.run(self.channel.add(subscription, Position(EPOCH, self.head)))
        return subscription.start

    def publish(self, times: int = 1, kind: EventType = "chat") -> None:
        for _ in range(times):
            self.head += 1
            self.channel.receive(Event(Position(EPOCH, self.head), b"%d " % self.head, kind))


def come_back_together(room: Room, pollers: list[Poller]) -> bool:
    """Whether pollers who have been told the same are let in as one."""
    since = Position(EPOCH, pollers[-1].at)
    let_in = room.channel.resume_all([poller.subscription for poller in pollers], since, room.loop.now_s)
    for poller in pollers:
        poller.waits |= let_in
    return let_in


class _Followed:
    async def subscribe(self, room: RoomId) -> Position:
        return Position(EPOCH, 0)


def told(pollers: list[Poller]) -> list[list[list[int]]]:
    return [poller.told for poller in pollers]


def answered_once(count: int) -> tuple[Room, list[Poller]]:
    """A room whose pollers have just been told event 1 and are all on their way back."""
    room = Room()
    pollers = [Poller(room) for _ in range(count)]
    room.publish()
    room.loop.end_turns()
    assert told(pollers) == [[[1]]] * count
    return room, pollers
