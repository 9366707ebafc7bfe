"""Pollers of one channel in the hands of a test: each checks every answer against what it may receive."""

from __future__ import annotations

import asyncio
from typing import Any

from core.backplane.base import Lease
from core.channel import Channel
from core.model import Event, EventType, Framing, Position, Principal, RoomId, UserId
from core.settings import Settings
from core.stats import Stats
from tests.core.instances import frame
from tests.transports.direct.loop import Loop
from tests.transports.direct.sink import Together
from transports.direct.poll_batches import PollBatcher
from transports.direct.returns import Returns
from transports.direct.subscription import PollSubscription

ALICE = Principal(UserId("alice"), None, 1e12, "k")
LEASE = Lease(RoomId("lobby"), UserId("alice"), "poll-k")
EPOCH = "epoch0001"
WRITE_S = 0.001  # what answering one poller takes
JOINED: EventType = "user_joined"


class Poller:
    """A client that polls: what it received, and up to where."""

    def __init__(self, room: Room, *, asks_where: bool = False) -> None:
        """It waits; or it has asked where to begin, was answered at once, and is on its way back."""
        self._room = room
        self.at = room.head
        self.delivered: list[list[int]] = []
        self.waits = False
        self.subscription = PollSubscription(ALICE, LEASE, "poll", frame, 1 << 20, room.stats, Together())
        self.subscription.start = room.register(self.subscription)
        if asks_where:
            assert room.returns.withdraw(self.subscription)
        self.subscription.connect(self, self.write, None)
        self.waits = not asks_where

    def write(self, data: bytes) -> None:
        self._room.loop.now_s += WRITE_S
        self.waits = False
        self.receive([int(line) for line in data.split()])

    def finish(self, reason: object) -> None:
        raise AssertionError("nothing ends a poll here")

    def receive(self, offsets: list[int]) -> None:
        assert offsets == list(range(self.at + 1, self.at + 1 + len(offsets)))
        assert offsets
        self.delivered.append(offsets)
        self.at = offsets[-1]

    def come_back(self) -> None:
        assert not self.waits
        missed = self._room.returns.resume(self.subscription, Position(EPOCH, self.at))
        assert missed is not None
        self.waits = not missed
        if missed:
            self.receive([int(frame) for frame in missed])


class Room:
    """One channel, with a head, and pollers on it."""

    def __init__(self, coalesce_s: float = 0.0) -> None:
        self.loop = Loop()
        self._coalesce_s = coalesce_s
        self.stats = Stats()
        self.head = 0
        backplane: Any = _Followed()
        self.channel = Channel(RoomId("lobby"), backplane, Settings(), lambda: self.loop.now_s, lambda: None)
        hub: Any = _AllAllowed(self)
        self.returns = Returns(hub)
        asyncio.run(self.channel.open())

    def _batcher(self, framing: Framing) -> PollBatcher:
        return PollBatcher(framing, self.stats, self.loop.services(self._coalesce_s), Together())

    def register(self, subscription: PollSubscription) -> Any:
        self.stats.connections["poll"] += 1
        asyncio.run(self.channel.add(subscription, Position(EPOCH, self.head), self._batcher))
        return subscription.start

    def publish(self, times: int = 1, kind: EventType = "chat") -> None:
        for _ in range(times):
            self.head += 1
            self.channel.receive(Event(Position(EPOCH, self.head), b"%d " % self.head, kind))


def come_back_together(room: Room, pollers: list[Poller]) -> bool:
    """Whether pollers who have been answered with the same are resumed as one."""
    since = Position(EPOCH, pollers[-1].at)
    together = not room.returns.resume_all([poller.subscription for poller in pollers], since)
    for poller in pollers:
        poller.waits |= together
    return together


class _AllAllowed:
    """A hub whose tokens and leases are good for ever."""

    draining = False

    def __init__(self, room: Room) -> None:
        self.stats = room.stats
        self.clock = lambda: room.loop.now_s
        self.leases = self

    generation = 0

    def held_for_s(self, lease: Lease) -> float:
        return 1e9

    def wall_clock(self) -> float:
        return 0.0


class _Followed:
    async def subscribe(self, room: RoomId) -> Position:
        return Position(EPOCH, 0)


def delivered(pollers: list[Poller]) -> list[list[list[int]]]:
    return [poller.delivered for poller in pollers]


def answered_once(count: int) -> tuple[Room, list[Poller]]:
    """A room whose pollers have just received event 1 and are all on their way back."""
    room = Room()
    pollers = [Poller(room) for _ in range(count)]
    room.publish()
    room.loop.end_turns()
    assert delivered(pollers) == [[[1]]] * count
    return room, pollers
