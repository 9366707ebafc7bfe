"""Rooms in Redis, shared by all instances that use the same one. Redis 6.2 and later, and Valkey.

Each change of a room is one Lua script: order, history, presence and the wake-up of the other instances are one
atomic step. Pub/sub only wakes: what it loses is read from the room's log.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from core.backplane.base import Lease, Listener, Reason
from core.backplane.redis_address import Address
from core.backplane.redis_caller import Caller
from core.backplane.redis_faults import Outage
from core.backplane.redis_keys import DUE, room_key
from core.backplane.redis_publish import Publisher
from core.backplane.redis_reader import Reader
from core.backplane.redis_scripts import Scripts
from core.model import (
    Draft,
    Event,
    Member,
    Position,
    Published,
    ResyncReason,
    RoomId,
    Unrecoverable,
    UserId,
)
from core.settings import Settings
from core.wire import event_body, stored_kind

_PAGE: Final = 256  # events a history call reads at a time: Redis serves nobody else meanwhile
_CLAIM: Final = 200  # rooms looked after at a time
_SWEEP_SHARE: Final = 1 / 6  # of a lease's time: our own leases, renewed every third of it, must not wait for longer
_RETURN_S: Final = 3.0  # for all instances to be connected again, and to renew with their next tick
_CLAIM_MS: Final = 3000
_BATCH: Final = 200  # leases per script
_DAY_MS: Final = 86_400_000
_LOOK_S: Final = 0.01
_DISMISS: Final = b"dismiss"  # in place of an event's position
_OPENING_S: Final = 4.0  # how long a start waits for Redis before it goes on without
_OPENING_AWAY_S: Final = 2.0  # when there is nothing at the address


class RedisBackplane:
    """See `Backplane`. Raises ValueError for a URL that is none."""

    def __init__(
        self, url: str, settings: Settings, *, new_epoch: Callable[[], str] = lambda: secrets.token_hex(6)
    ) -> None:
        address = Address(url)
        self._settings = settings
        self._new_epoch = new_epoch
        self._database = address.database
        self._ttl_ms = int(settings.presence_ttl_s * 1000)
        self._keep_ms = int((settings.history_s + settings.presence_ttl_s) * 1000) + _DAY_MS
        self._outage = Outage(address.name)
        self._caller = Caller(address, self._keep_ms, Scripts(settings), self._outage, self._called)
        self._reader = Reader(address, self._receive, self._outage, self._doubt)
        self._publisher = Publisher(self._caller, address.database, settings, new_epoch)
        self._listener: Listener | None = None
        self._followers: Counter[RoomId] = Counter()
        self._room_of: dict[bytes, RoomId] = {}
        self.appended = 0

    @property
    def available(self) -> bool:
        """Whether Redis answers, calls and messages alike, and did what it was last asked."""
        return self._caller.available and self._reader.available

    @property
    def reason(self) -> Reason | None:
        """See `Backplane.reason`."""
        return None if self.available else self._outage.reason or "unreachable"

    @property
    def rooms(self) -> int:
        """Rooms that this instance follows; they live in Redis."""
        return len(self._followers)

    @asynccontextmanager
    async def running(self, listener: Listener) -> AsyncIterator[None]:
        """Stay connected, and deliver to `listener`, while entered. Redis may be away, now or later."""
        self._listener = listener
        supervised = [asyncio.create_task(task) for task in (self._caller.keep_open(), self._reader.run())]
        try:
            await self._opened()
            yield
        finally:
            await _end(supervised)
            self._listener = None

    async def subscribe(self, room: RoomId) -> Position:
        """See `Backplane.subscribe`."""
        name = room_key(self._database, room).encode()
        self._followers[room] += 1
        self._room_of[name] = room
        try:
            # Follow before reading the head: the reverse order loses what is published in between.
            await self._reader.follow(name)
            answer = await self._room("head", room)
        except BaseException:
            self._unfollow(room)
            raise
        return _position(answer)

    async def unsubscribe(self, room: RoomId) -> None:
        """See `Backplane.unsubscribe`."""
        self._unfollow(room)

    async def publish(self, room: RoomId, draft: Draft) -> Published:
        """See `Backplane.publish`."""
        published = await self._publisher.publish(room, draft)
        self.appended += not published.repeated
        return published

    async def history(self, room: RoomId, since: Position) -> Sequence[Event] | Unrecoverable:
        """See `Backplane.history`."""
        events: list[Event] = []
        at_id = b""
        while True:
            at = events[-1].position if events else since
            answer = await self._room("history", room, at.epoch, at.offset, _PAGE, at_id)
            if answer[0] != b"ok":
                head = _position(answer)
                begin = Position(head.epoch, int(answer[4]))
                return Unrecoverable(cast(ResyncReason, answer[0].decode()), head, begin)
            *page, at_id = answer[4]
            events += _events(room, at.epoch, page)
            if not page or events[-1].position.offset >= int(answer[2]):
                return events

    async def hold(self, lease: Lease, ttl_s: float) -> None:
        """See `Backplane.hold`."""
        await self._hold(lease.room, [lease], ttl_s, take=True)

    async def renew(self, leases: Sequence[Lease], ttl_s: float) -> None:
        """See `Backplane.renew`."""
        await self._hold_all(leases, ttl_s, take=True)

    async def prolong(self, leases: Sequence[Lease], ttl_s: float) -> None:
        """See `Backplane.prolong`."""
        await self._hold_all(leases, ttl_s, take=False)

    async def release(self, lease: Lease) -> None:
        """See `Backplane.release`."""
        await self._room("release", lease.room, _member(lease))

    async def dismiss(self, room: RoomId, token_key: str) -> None:
        """See `Backplane.dismiss`."""
        await self._caller.plain(
            "tell", (), (room_key(self._database, room), b"%b %b" % (_DISMISS, token_key.encode()))
        )

    async def members(self, room: RoomId) -> tuple[Position, Sequence[Member]]:
        """See `Backplane.members`."""
        answer = await self._room("members", room)
        users = iter(answer[4])
        listed = [Member(UserId(user.decode()), int(count)) for user, count in zip(users, users, strict=True)]
        return _position(answer), listed

    async def sweep(self) -> None:
        """See `Backplane.sweep`. Instances share the work; age and empty rooms are left to Redis's own expiry."""
        await self._caller.check_life()
        if time.monotonic() - self._caller.back_s < _RETURN_S:
            return  # Redis was away, perhaps for all: members that are still connected renew first
        until_s = time.monotonic() + self._settings.presence_ttl_s * _SWEEP_SHARE
        while await self._expire_due() == _CLAIM and time.monotonic() < until_s:
            pass  # until nothing is due

    async def _expire_due(self) -> int:
        """Look after some of the rooms where leases may have run out. Returns how many."""
        claim, *rooms = await self._caller.plain("claim", (DUE,), (_CLAIM, _CLAIM_MS, self._caller.clock.slip_ms))
        if rooms:
            answers = await _all(self._room("expire", RoomId(room.decode()), self._ttl_ms) for room in rooms)
            looked = [part for room, answer in zip(rooms, answers, strict=True) for part in (room, answer[4])]
            await self._caller.plain("settle", (DUE,), (claim, self._keep_ms, *looked))
        return len(rooms)

    async def _room(self, script: str, room: RoomId, *own: Any) -> list[Any]:
        answer = await self._caller.room(script, [room_key(self._database, room)], self._new_epoch(), *own)
        self.appended += answer[3]
        return answer

    async def _hold_all(self, leases: Sequence[Lease], ttl_s: float, *, take: bool) -> None:
        by_room: defaultdict[RoomId, list[Lease]] = defaultdict(list)
        for lease in leases:
            by_room[lease.room].append(lease)
        await _all(
            self._hold(room, held[start : start + _BATCH], ttl_s, take=take)
            for room, held in by_room.items()
            for start in range(0, len(held), _BATCH)
        )
        rooms = list(by_room) if take else []
        for start in range(0, len(rooms), _BATCH):
            await self._note_due(rooms[start : start + _BATCH], ttl_s, anew=False)

    async def _hold(self, room: RoomId, leases: Sequence[Lease], ttl_s: float, *, take: bool) -> None:
        answer = await self._room("hold", room, int(ttl_s * 1000), int(take), *map(_member, leases))
        if answer[4]:
            # An index of its own slot, so a step of its own. Who dies in between leaves a ghost until others renew.
            await self._note_due([room], ttl_s, anew=True)

    async def _note_due(self, rooms: Sequence[RoomId], ttl_s: float, *, anew: bool) -> None:
        slip_ms = self._caller.clock.slip_ms
        await self._caller.plain("due", (DUE,), (int(ttl_s * 1000), self._keep_ms, slip_ms, int(anew), *rooms))

    async def _opened(self) -> None:
        began_s = time.monotonic()
        patience_s: dict[Reason | None, float] = {None: _OPENING_S, "unreachable": _OPENING_AWAY_S}
        while not self.available:  # two connections, either may go again
            if time.monotonic() - began_s >= patience_s.get(self._outage.reason, 0.0):
                return
            await asyncio.sleep(_LOOK_S)

    def _unfollow(self, room: RoomId) -> None:
        self._followers[room] -= 1
        if not self._followers[room]:
            del self._followers[room]
            name = room_key(self._database, room).encode()
            self._room_of.pop(name, None)
            self._reader.unfollow(name)

    def _receive(self, name: bytes, data: bytes) -> None:
        room = self._room_of.get(name)
        if room is None or self._listener is None:
            return  # on its way when we stopped following
        place, _, payload = data.partition(b" ")
        if place == _DISMISS:
            self._listener.dismiss(room, payload.decode())
            return
        epoch, _, offset = place.partition(b":")
        self._listener.deliver(room, _event(room, Position(epoch.decode(), int(offset)), payload))

    def _called(self) -> None:
        # After a failover the address may lead to another server: messages must come from where calls go.
        if self._reader.server and self._reader.server != self._caller.server:
            self._reader.look_again()
        self._doubt()

    def _doubt(self) -> None:
        if self._listener is not None:
            self._listener.may_have_missed(None)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they end: a TaskGroup that fails just then raises its errors and forgets the cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_LOOK_S)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _all(calls: Iterable[Any]) -> list[Any]:
    """Await calls that share one pipelined connection, all of them to the end; then raise the first error, if any."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def _member(lease: Lease) -> str:
    return f"{lease.user_id}\0{lease.name}"


def _position(answer: Sequence[Any]) -> Position:
    return Position(answer[1].decode(), int(answer[2]))


def _event(room: RoomId, position: Position, stored: bytes) -> Event:
    """From what is stored of it: a payload, with its sender's own key before it."""
    payload = stored[stored.index(b'"') :]
    return Event(position, event_body(room, position, payload), stored_kind(payload))


def _events(room: RoomId, epoch: str, flat: Sequence[bytes]) -> list[Event]:
    """A page of `history.lua`: offset, payload, offset, payload…"""
    parts = iter(flat)
    return [_event(room, Position(epoch, int(offset)), stored) for offset, stored in zip(parts, parts, strict=True)]
