"""Rooms in this process. History dies with it: every old position then answers `epoch_changed`."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from core import wire
from core.backplane.base import Lease, Listener, Reason
from core.errors import RateLimited
from core.model import Draft, Event, EventType, Member, Position, Published, RoomId, Unrecoverable, UserId
from core.presence import Presence
from core.ratelimit import RateLimiter
from core.settings import Settings
from core.stream import Stream


@dataclass(slots=True)
class _Room:
    stream: Stream
    touched_s: float
    presence: Presence = field(default_factory=Presence)
    retries: dict[bytes, int] = field(default_factory=dict)  # retry key -> offset
    listeners: int = 0


class MemoryBackplane:
    """Every operation is one synchronous step of the event loop, which is what makes it atomic.

    Several hubs may run on one instance of this class: they then behave as instances that share it.
    """

    available = True
    reason: Reason | None = None

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(6),
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._wall_clock = wall_clock
        self._new_epoch = new_epoch
        self._rooms: dict[RoomId, _Room] = {}
        self._limiter = RateLimiter(settings.rate_per_s, settings.burst)
        self._listeners: list[Listener] = []
        self.appended = 0

    @property
    def rooms(self) -> int:
        """Rooms that have a history, a member or a listener."""
        return len(self._rooms)

    @asynccontextmanager
    async def running(self, listener: Listener) -> AsyncIterator[None]:
        """Deliver to `listener` while entered."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def subscribe(self, room: RoomId) -> Position:
        """See `Backplane.subscribe`."""
        here = self._room(room)
        here.listeners += 1
        return here.stream.head

    async def unsubscribe(self, room: RoomId) -> None:
        """See `Backplane.unsubscribe`."""
        here = self._rooms[room]  # a room with a listener is never freed
        here.listeners -= 1
        here.touched_s = self._clock()

    async def publish(self, room: RoomId, draft: Draft) -> Published:
        """See `Backplane.publish`."""
        here = self._rooms.get(room) or self._room(room)
        if draft.retry_key is not None:
            offset = here.retries.get(draft.retry_key, 0)
            if offset >= here.stream.first_offset:
                return Published(Position(here.stream.epoch, offset), repeated=True)
        now_s = self._clock()
        wait_s = self._limiter.take(draft.user_id, now_s)
        if wait_s:
            raise RateLimited("too many messages", retry_after_ms=math.ceil(wait_s * 1000))
        event = self._append(room, here, draft, now_s)
        if draft.retry_key is not None:
            here.retries.pop(draft.retry_key, None)  # to the end again: `sweep` relies on their order
            here.retries[draft.retry_key] = event.position.offset
        return Published(event.position)

    async def history(self, room: RoomId, since: Position) -> Sequence[Event] | Unrecoverable:
        """See `Backplane.history`."""
        return self._room(room).stream.since(since, self._clock())

    async def hold(self, lease: Lease, ttl_s: float) -> None:
        """See `Backplane.hold`."""
        here = self._room(lease.room)
        if here.presence.hold(lease.user_id, lease.name, self._clock() + ttl_s):
            self._announce(lease.room, here, "user_joined", lease.user_id)

    async def renew(self, leases: Sequence[Lease], ttl_s: float) -> None:
        """See `Backplane.renew`."""
        for lease in leases:
            await self.hold(lease, ttl_s)

    async def prolong(self, leases: Sequence[Lease], ttl_s: float) -> None:
        """See `Backplane.prolong`."""
        for lease in leases:
            here = self._rooms.get(lease.room)
            if here is not None:
                here.presence.prolong(lease.user_id, lease.name, self._clock() + ttl_s)

    async def release(self, lease: Lease) -> None:
        """See `Backplane.release`."""
        here = self._rooms.get(lease.room)
        if here is not None and here.presence.release(lease.user_id, lease.name):
            self._announce(lease.room, here, "user_left", lease.user_id)

    async def dismiss(self, room: RoomId, token_key: str) -> None:
        """See `Backplane.dismiss`."""
        for listener in self._listeners:
            listener.dismiss(room, token_key)

    async def members(self, room: RoomId) -> tuple[Position, Sequence[Member]]:
        """See `Backplane.members`."""
        here = self._room(room)
        return here.stream.head, here.presence.members()

    async def sweep(self) -> None:
        """See `Backplane.sweep`."""
        now_s = self._clock()
        self._limiter.forget_full(now_s)
        for room, here in list(self._rooms.items()):
            for user_id in here.presence.expire(now_s):
                self._announce(room, here, "user_left", user_id)
            here.stream.trim(now_s)
            if here.retries and next(iter(here.retries.values())) < here.stream.first_offset:
                kept = here.stream.first_offset
                here.retries = {key: offset for key, offset in here.retries.items() if offset >= kept}
            idle = not here.listeners and not here.presence and not len(here.stream)
            if idle and now_s - here.touched_s >= self._settings.history_s:
                del self._rooms[room]

    def _room(self, room: RoomId) -> _Room:
        here = self._rooms.get(room)
        if here is None:
            settings = self._settings
            stream = Stream(room, self._new_epoch(), settings.history_events, settings.history_s)
            here = self._rooms[room] = _Room(stream, self._clock())
        return here

    def _announce(self, room: RoomId, here: _Room, kind: EventType, user_id: UserId) -> None:
        draft = wire.draft(kind, user_id, int(self._wall_clock() * 1000))
        self._append(room, here, draft, self._clock())

    def _append(self, room: RoomId, here: _Room, draft: Draft, now_s: float) -> Event:
        here.touched_s = now_s
        event = here.stream.append(draft, now_s)
        self.appended += 1
        for listener in self._listeners:
            listener.deliver(room, event)
        return event
