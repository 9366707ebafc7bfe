"""The one place that orchestrates: subscribers, what clients send, what they are sent, and how it all ends."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final, TypeVar

from core import wire
from core.auth import Authenticator
from core.backplane.base import Backplane, Lease
from core.channels import Channels
from core.errors import NOT_ENTERED, BadRequest, RateLimited, RoomError, ShuttingDown, Unavailable
from core.fanout import Fanout, NewFanout
from core.ingress import Ingress
from core.leases import Leases
from core.model import Event, Framing, Member, Position, Principal, RoomId
from core.ratelimit import RateLimiter
from core.repairs import Repairs
from core.settings import Settings
from core.stamping import Stamping
from core.stats import Stats
from core.subscription import Subscription
from core.timekeeper import Timekeeper

T = TypeVar("T")
Reply = Callable[[Position, str | None], bytes]  # of a position and a ref

_RETRY_MS: Final = (500, 3000)  # the jittered hint of a draining server: not everybody may come back at once
_JOINS_PER_S: Final = 1000  # that the others surely admit: N clients come back within N / u seconds (`rtlab run storm`)
_PINGS_PER_S: Final = 50  # a user's, on this instance: they are for a client's round-trip time, not for a load

_log = logging.getLogger("rtlab.hub")


class Hub:
    """One instance's rooms. Use it inside `running()`; all methods belong to that event loop."""

    def __init__(
        self,
        backplane: Backplane,
        settings: Settings,
        *,
        secret: bytes,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        stamping: Stamping | None = None,
    ) -> None:
        self.settings = settings
        self.backplane = backplane
        self.authenticator = Authenticator(secret)
        self.ingress = Ingress(settings.max_bytes)
        self.stats = Stats()
        self.instance: Final = secrets.token_hex(4)
        self.entered = False
        self.draining = False
        self._retry_most_ms = _RETRY_MS[1]
        self.clock = clock
        self.wall_clock = wall_clock
        self._stamping = stamping
        self._rng = rng or random.Random()
        self._repairs = Repairs(self._repair)
        self._channels = Channels(backplane, settings, clock, self._timed, self._repairs.soon)
        self.leases = Leases(backplane, settings.presence_ttl_s, clock, self._timed)
        self._connection_ids = itertools.count(1)
        self._pings = RateLimiter(_PINGS_PER_S, 2 * _PINGS_PER_S)
        self._timekeeper = Timekeeper(backplane, self._channels, self.leases, self._pings, clock, wall_clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the backplane and keep time while entered; drain on leaving."""
        stamps = nullcontext() if self._stamping is None else self._stamping.written(self.instance)
        async with stamps, self.backplane.running(self), asyncio.TaskGroup() as tasks:
            keeping = [tasks.create_task(self._timekeeper.end_in_time()), tasks.create_task(self._timekeeper.keep_up())]
            try:
                with self._repairs.running(tasks):
                    self.entered = True
                    yield
            finally:
                self.drain()
                for task in keeping:
                    task.cancel()

    def admit(self, token: str | None, room: RoomId) -> Principal:
        """Verify a token for a room. Raises Unauthorized, Forbidden."""
        return self.authenticator.admit(token, room, self.wall_clock())

    async def attach(
        self,
        principal: Principal,
        room: RoomId,
        transport: str,
        framing: Framing,
        *,
        since: Position | None = None,
        poller: bool = False,
    ) -> Subscription:
        """Make a subscriber a member of a room, and give it what comes after `since`, or after now.

        A poller's lease outlives its subscription, since its next poll is on the way. Raises ShuttingDown, Unavailable.
        """
        lease = self.lease(principal, room, poller=poller)
        outbox_bytes = self.settings.outbox_bytes
        subscription = Subscription(principal, lease, transport, framing, outbox_bytes, self.stats, is_poller=poller)
        await self.join(subscription, since)
        return subscription

    def lease(self, principal: Principal, room: RoomId, *, poller: bool) -> Lease:
        """What a member is present by: one per stream, one for all polls with the same token."""
        name = f"poll-{principal.token_key}" if poller else f"{self.instance}-{next(self._connection_ids)}"
        return Lease(room, principal.user_id, name)

    async def join(self, subscription: Subscription, since: Position | None, new_fanout: NewFanout = Fanout) -> None:
        """As `attach`, for a subscription and a fan-out of any class. Raises ShuttingDown, Unavailable."""
        self.refuse_while_draining()
        if self._stamping is not None:
            new_fanout = self._stamping.watching(new_fanout)
        channel = self._channels.get(subscription.lease.room)
        if channel is None or channel.head is None:
            channel = await self._channels.open(subscription.lease.room)
        await self._timed(channel.add(subscription, since, new_fanout))
        self.stats.connections[subscription.transport] += 1
        try:
            if not (subscription.is_poller and self.leases.is_fresh(subscription.lease)):
                await self.leases.hold(subscription)
        except BaseException:
            self._forget(subscription)
            raise
        if since is not None:
            self.stats.resumes[subscription.start.resync or "recovered"] += 1
        if self.draining:  # it began while we waited: drain() did not see this one
            subscription.end(self._shutting_down())

    def rejoin(self, subscription: Subscription, since: Position) -> bool:
        """As `join`, for a poller that `withdraw` let go, or that is new; where nobody has to be asked, and none waits.

        False, and nothing is done, where its room, token, lease or place has to be looked at.
        """
        principal, lease = subscription.principal, subscription.lease
        channel = self._channels.get(lease.room)
        if channel is None or self.draining or principal.expires_at_s <= self.wall_clock():
            return False
        if not self.leases.held_for_s(lease) or not channel.rejoin(subscription, since):
            return False
        self.stats.connections[subscription.transport] += 1
        self.stats.resumes["recovered"] += 1
        return True

    def withdraw(self, subscription: Subscription) -> None:
        """Let go a poller that is answered, and may `rejoin`: as `detach`, but it has not ended."""
        self.stats.connections[subscription.transport] -= 1
        if subscription.channel is not None:
            subscription.channel.remove(subscription)
        if subscription.is_poller:  # else it was dismissed
            self.leases.run_on_soon(subscription.lease)

    async def detach(self, subscription: Subscription) -> None:
        """End a subscription that `attach` gave; its membership ends too, a poller's when its lease runs out."""
        self._forget(subscription)
        try:
            if not subscription.is_poller:
                await self.backplane.release(subscription.lease)
            elif not self.leases.is_fresh(subscription.lease):
                await self.leases.run_on(subscription.lease)
        except Unavailable:
            _log.info("a lease could not be given back; it will run out by itself")

    def post(
        self, principal: Principal, room: RoomId, raw: bytes, reply: Reply = wire.accepted
    ) -> Coroutine[Any, Any, bytes]:
        """Publish a body that is no command: of a POST, or of a channel for chats only. Gives the reply's body.

        Raises RoomError, some of them before it is awaited.
        """
        return self._publish(principal, room, self.ingress.chat_body(raw), reply)

    def ingest(self, principal: Principal, room: RoomId, raw: bytes) -> Coroutine[Any, Any, bytes | None]:
        """Carry out one command of a duplex transport. Gives the reply, None for `leave`. Raises as `post` does."""
        command = self.ingress.command(raw)
        if type(command) is wire.Chat:
            return self._publish(principal, room, command, wire.ack)
        return self._answer(principal, command)

    async def _answer(self, principal: Principal, command: wire.Command) -> bytes | None:
        match command:
            case wire.Ping():
                if wait_s := self._pings.take(principal.user_id, self.clock()):
                    raise RateLimited("too many pings", retry_after_ms=math.ceil(wait_s * 1000))
                return wire.pong(wire.optional(command.ref))
            case wire.Leave():
                return None
            case _:
                raise BadRequest("hello has been said already")

    async def leave(self, principal: Principal, room: RoomId) -> None:
        """End the membership that a token has in a room, with the streams and polls it holds, here and elsewhere.

        Raises Unavailable.
        """
        poll = self.lease(principal, room, poller=True)
        self.leases.forget(poll)
        for subscription in self._dismiss(room, principal.token_key):
            await self.backplane.release(subscription.lease)
        await self.backplane.release(poll)
        await self.backplane.dismiss(room, principal.token_key)

    async def members(self, room: RoomId) -> tuple[Position, tuple[Member, ...]]:
        """A room's head and members, over all instances. Raises Unavailable."""
        position, members = await self._timed(self.backplane.members(room))
        return position, tuple(members)

    def drain(self) -> None:
        """Refuse what is new; end every stream and held poll after what waits for it."""
        self.draining = True
        subscriptions = self._channels.subscriptions()
        self._retry_most_ms = max(self._retry_most_ms, _RETRY_MS[0] + 1000 * len(subscriptions) // _JOINS_PER_S)
        for subscription in subscriptions:
            subscription.end(self._shutting_down())

    def refuse_while_draining(self) -> None:
        """Raise ShuttingDown once the drain has begun, Unavailable before `running()` was entered."""
        if self.draining:
            raise self._shutting_down()
        if not self.entered:
            raise Unavailable(NOT_ENTERED)

    def deliver(self, room: RoomId, event: Event) -> None:
        """See `Listener.deliver`."""
        if self._stamping is not None:
            self._stamping.delivered(room, event.position)
        channel = self._channels.get(room)
        if channel is not None:
            channel.receive(event)
        if event.kind == "user_left":
            self.leases.forget_room(room)

    def may_have_missed(self, room: RoomId | None) -> None:
        """See `Listener.may_have_missed`."""
        self.leases.invalidate()
        for followed in self._channels if room is None else [room]:
            self._repairs.soon(followed)

    def dismiss(self, room: RoomId, token_key: str) -> None:
        """See `Listener.dismiss`."""
        self._dismiss(room, token_key)

    @property
    def outbox_bytes(self) -> int:
        """Bytes that wait in all outboxes."""
        return sum(subscription.outbox.waiting_bytes for subscription in self._channels.subscriptions())

    def _dismiss(self, room: RoomId, token_key: str) -> list[Subscription]:
        held = [each for each in self._channels.get(room) or () if each.principal.token_key == token_key]
        for subscription in held:
            subscription.is_poller = False
            subscription.end()
        return held

    def _shutting_down(self) -> ShuttingDown:
        return ShuttingDown(
            "the server is shutting down", retry_after_ms=self._rng.randint(_RETRY_MS[0], self._retry_most_ms)
        )

    async def _publish(self, principal: Principal, room: RoomId, chat: wire.Chat, reply: Reply) -> bytes:
        accepted_ns = 0 if self._stamping is None else self._stamping.now_ns()
        self.refuse_while_draining()
        draft = self.ingress.draft(principal, chat, int(self.wall_clock() * 1000))
        began_s = self.clock()
        try:
            published = await self.backplane.publish(room, draft)
        except RoomError as refusal:
            refusal.ref = chat.ref or None
            raise
        finally:
            self._count_call(began_s)
        if self._stamping is not None:
            self._stamping.published(room, published.position, accepted_ns)
        return reply(published.position, chat.ref or None)

    async def _timed(self, call: Awaitable[T]) -> T:
        began_s = self.clock()
        try:
            return await call
        finally:
            self._count_call(began_s)

    def _count_call(self, began_s: float) -> None:
        self.stats.backplane_calls += 1
        self.stats.backplane_s += self.clock() - began_s

    def _forget(self, subscription: Subscription) -> None:
        self.stats.connections[subscription.transport] -= 1
        subscription.end()
        if subscription.channel is not None:
            subscription.channel.remove(subscription)

    def _repair(self, room: RoomId) -> Awaitable[None] | None:
        channel = self._channels.get(room)
        return None if channel is None or self.draining else channel.repair()
