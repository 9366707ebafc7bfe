"""A store that instances share, and a network to it on which deliveries are late, lost, repeated and reordered."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from core.backplane.base import Lease, Listener, Reason
from core.backplane.memory import MemoryBackplane
from core.errors import Unavailable
from core.model import Draft, Event, Member, Position, Published, RoomId, Unrecoverable
from core.settings import Settings


class Store:
    """The memory backplane behind the network; `lose` forgets everything, as a Redis restarted empty does."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._epochs = itertools.count(1)
        self.links: list[Link] = []
        self.rooms = self._new()

    def _new(self) -> MemoryBackplane:
        rooms = MemoryBackplane(
            self._settings, clock=self._clock, wall_clock=self._clock, new_epoch=lambda: f"epoch{next(self._epochs):04}"
        )
        rooms._listeners.append(self)
        return rooms

    def lose(self) -> None:
        self.rooms = self._new()

    def deliver(self, room: RoomId, event: Event) -> None:
        for link in self.links:
            link.carry(room, event)

    def dismiss(self, room: RoomId, token_key: str) -> None:
        for link in self.links:
            link.dismissed(room, token_key)

    def may_have_missed(self, room: RoomId | None) -> None:
        raise AssertionError("the memory backplane never doubts")


class Link:
    """One instance's way to the store: a `Backplane`.

    `held` keeps deliveries in flight until the test hands them on; `away` makes every call fail; `answering` set to an
    unset event keeps the answer of a history read, which is made at once, from arriving.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.away = False
        self.held = False
        self.in_flight: list[tuple[RoomId, Event]] = []
        self.followed: Counter[RoomId] = Counter()
        self.calls: Counter[str] = Counter()
        self.answering: asyncio.Event | None = None
        self._listener: Listener | None = None
        store.links.append(self)

    @property
    def available(self) -> bool:
        return not self.away

    @property
    def reason(self) -> Reason | None:
        return "unreachable" if self.away else None

    @property
    def rooms(self) -> int:
        return self.store.rooms.rooms

    @property
    def appended(self) -> int:
        return self.store.rooms.appended

    def carry(self, room: RoomId, event: Event) -> None:
        """Take a delivery from the store."""
        if self.followed[room] > 0:
            self.in_flight.append((room, event))
            if not self.held:
                self.hand_on()

    def hand_on(self) -> None:
        """Hand on what is in flight, in whatever order it is in by now."""
        arriving, self.in_flight = self.in_flight, []
        if self._listener is not None:
            for room, event in arriving:
                self._listener.deliver(room, event)

    def dismissed(self, room: RoomId, token_key: str) -> None:
        """Take word from the store that somebody left."""
        if self.followed[room] > 0 and self._listener is not None:
            self._listener.dismiss(room, token_key)

    def reconnected(self) -> None:
        """Say that something may have been missed, as every backplane must after it may have been."""
        if self._listener is not None:
            self._listener.may_have_missed(None)

    @asynccontextmanager
    async def running(self, listener: Listener) -> AsyncIterator[None]:
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None

    def _call(self, name: str) -> MemoryBackplane:
        self.calls[name] += 1
        if self.away:
            raise Unavailable("the store is away")
        return self.store.rooms

    async def subscribe(self, room: RoomId) -> Position:
        head, _ = await self._call("subscribe").members(room)
        self.followed[room] += 1
        return head

    async def unsubscribe(self, room: RoomId) -> None:
        self._call("unsubscribe")
        self.followed[room] -= 1

    async def publish(self, room: RoomId, draft: Draft) -> Published:
        return await self._call("publish").publish(room, draft)

    async def history(self, room: RoomId, since: Position) -> Sequence[Event] | Unrecoverable:
        answer = await self._call("history").history(room, since)
        if self.answering is not None:
            await self.answering.wait()
        await asyncio.sleep(0)
        return answer

    async def hold(self, lease: Lease, ttl_s: float) -> None:
        await self._call("hold").hold(lease, ttl_s)

    async def renew(self, leases: Sequence[Lease], ttl_s: float) -> None:
        await self._call("renew").renew(leases, ttl_s)

    async def prolong(self, leases: Sequence[Lease], ttl_s: float) -> None:
        await self._call("prolong").prolong(leases, ttl_s)

    async def release(self, lease: Lease) -> None:
        await self._call("release").release(lease)

    async def dismiss(self, room: RoomId, token_key: str) -> None:
        await self._call("dismiss").dismiss(room, token_key)

    async def members(self, room: RoomId) -> tuple[Position, Sequence[Member]]:
        return await self._call("members").members(room)

    async def sweep(self) -> None:
        await self._call("sweep").sweep()
