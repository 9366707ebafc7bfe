"""The one place that orchestrates: who is attached, what comes in, what goes out, and how it all ends."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Final, TypeVar

from core import wire
from core.auth import Authenticator
from core.backplane.base import Backplane, Lease
from core.channels import Channels
from core.errors import NOT_ENTERED, BadRequest, RateLimited, RoomError, ShuttingDown, Unavailable
from core.fanout import Fanout, Outside, Write
from core.ingress import Ingress
from core.leases import Leases
from core.model import Event, Member, Position, Principal, Published, RoomId
from core.outbox import Outbox
from core.ratelimit import RateLimiter
from core.repairs import Repairs
from core.rounds import Rounds
from core.settings import Settings
from core.stamping import Stamping
from core.stats import Stats
from core.subscription import Answer, Framing, Subscription
from core.timekeeper import Timekeeper

T = TypeVar("T")

_RETRY_MS: Final = (500, 3000)  # the jittered hint of a draining server: not everybody may come back at once

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
        write: Write,
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
        self._write = write
        self._stamping = stamping
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng or random.Random()
        self._repairs = Repairs(self._repair)
        self._channels = Channels(backplane, settings, clock, self._timed, self._fanout, self._repairs.soon)
        self._leases = Leases(backplane, settings.presence_ttl_s, clock, self._timed)
        self._connection_ids = itertools.count(1)
        self._pings = RateLimiter(_PINGS_PER_S, 2 * _PINGS_PER_S)
        self._timekeeper = Timekeeper(backplane, self._channels, self._leases, self._pings, clock, wall_clock)

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
        return self.authenticator.admit(token, room, self._wall_clock())

    async def attach(
        self,
        principal: Principal,
        room: RoomId,
        transport: str,
        framing: Framing,
        *,
        since: Position | None = None,
        poller: bool = False,
        answer: Answer | None = None,
    ) -> Subscription:
        """Make a subscriber a member of a room and let it hear what comes after `since`, or after now.

        A poller's lease outlives its subscription, since its next poll is on the way; with `answer` it is told once and
        then only `resume` lets it in again. Raises ShuttingDown, Unavailable.
        """
        self.refuse_while_draining()
        name = f"poll-{principal.token_key}" if poller else f"{self.instance}-{next(self._connection_ids)}"
        lease = Lease(room, principal.user_id, name)
        outbox: Outbox[object] = Outbox(self.settings.outbox_bytes)
        subscription = Subscription(
            principal, lease, transport, framing, outbox, self.stats, linger=poller, answer=answer
        )
        channel = await self._channels.open(room)
        await self._timed(channel.add(subscription, since))
        self.stats.connections[transport] += 1
        try:
            await self._leases.hold(subscription)
        except BaseException:
            self._forget(subscription)
            raise
        if since is not None:
            self.stats.resumes[subscription.start.resync or "recovered"] += 1
        if self.draining:  # it began while we waited: drain() did not see this one
            subscription.end(self._shutting_down())
        return subscription

    def resume(self, subscription: Subscription, since: Position) -> Sequence[Event] | None:
        """Let an answered poller in again, without a wait: the events it missed, or none, and then it listens.

        None when only a new `attach` can tell: its token or lease has run out, its place is too far behind, the server
        drains, or it listens already.
        """
        now_s = self._clock()
        if now_s >= subscription.vouched_until_s or subscription.doubts != self._leases.doubts:
            self._vouch(subscription, now_s)
        channel = subscription.channel
        if channel is None or self.draining or now_s >= subscription.vouched_until_s:
            return None
        missed = channel.resume(subscription, since, now_s)
        if missed is not None:
            self.stats.resumes["recovered"] += 1
            if missed:
                self.stats.deliveries[subscription.transport] += len(missed)
        return missed

    def resume_all(self, subscriptions: Sequence[Subscription], since: Position) -> Sequence[Subscription]:
        """Let answered pollers in again who were all told the same last. Returns those whom `resume` has to look at."""
        if self.draining or not subscriptions:
            return subscriptions
        now_s, doubts = self._clock(), self._leases.doubts
        for each in subscriptions:
            if now_s >= each.vouched_until_s or each.doubts != doubts:
                self._vouch(each, now_s)
        channel = subscriptions[0].channel
        able = [each for each in subscriptions if now_s < each.vouched_until_s and each.channel is channel]
        if channel is None or not channel.resume_all(able, since, now_s):
            return subscriptions
        self.stats.resumes["recovered"] += len(able)
        return () if len(able) == len(subscriptions) else list(set(subscriptions).difference(able))

    def _vouch(self, subscription: Subscription, now_s: float) -> None:
        """Note until when a poller's token and lease need not be looked at again."""
        subscription.doubts = self._leases.doubts
        token_s = subscription.principal.expires_at_s - self._wall_clock()
        subscription.vouched_until_s = now_s + min(token_s, self._leases.held_for_s(subscription.lease))

    def withdraw(self, subscription: Subscription) -> bool:
        """Let a poller hear nothing until it is resumed. Returns False when it has just been told what came."""
        channel = subscription.channel
        if channel is None or not channel.withdraw(subscription):
            return False
        subscription.outbox.clear()  # it asks for that from where it is, when it is resumed
        self.stats.connections[subscription.transport] -= 1
        return True

    async def detach(self, subscription: Subscription) -> None:
        """End a subscription that `attach` gave; its membership ends too, a poller's when its lease runs out."""
        self._forget(subscription)
        try:
            if subscription.linger:
                await self._leases.linger(subscription.lease)
            else:
                await self.backplane.release(subscription.lease)
        except Unavailable:
            _log.info("a lease could not be given back; it will run out by itself")

    async def post(self, principal: Principal, room: RoomId, raw: bytes) -> bytes:
        """Publish a POSTed body. Returns the answer's body. Raises RoomError."""
        chat = self.ingress.chat_body(raw)
        published = await self._publish(principal, room, chat)
        return wire.accepted(published.position, wire.optional(chat.ref))

    async def chat(self, principal: Principal, room: RoomId, raw: bytes) -> bytes:
        """Publish what came over a channel of a duplex transport that carries chats only. Returns the ack.

        Raises RoomError.
        """
        chat = self.ingress.chat_body(raw)
        published = await self._publish(principal, room, chat)
        return wire.ack(published.position, wire.optional(chat.ref))

    async def ingest(self, principal: Principal, room: RoomId, raw: bytes) -> bytes | None:
        """Carry out one command of a duplex transport. Returns the reply, None for `leave`. Raises RoomError."""
        command = self.ingress.command(raw)
        match command:
            case wire.Chat():
                published = await self._publish(principal, room, command)
                return wire.ack(published.position, wire.optional(command.ref))
            case wire.Ping():
                self._limit_pings(principal)
                return wire.pong(wire.optional(command.ref))
            case wire.Leave():
                return None
            case wire.Hello():
                raise BadRequest("hello has been said already")

    def _limit_pings(self, principal: Principal) -> None:
        wait_s = self._pings.take(principal.user_id, self._clock())
        if wait_s:
            raise RateLimited("too many pings", retry_after_ms=math.ceil(wait_s * 1000))

    async def leave(self, principal: Principal, room: RoomId) -> None:
        """End the membership that a token has in a room, with the streams and polls it holds, here and elsewhere.

        Raises Unavailable.
        """
        poll = Lease(room, principal.user_id, f"poll-{principal.token_key}")
        self._leases.forget(poll)
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
        for subscription in self._channels.subscriptions():
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
            self._leases.forget_room(room)

    def doubt(self, room: RoomId | None) -> None:
        """See `Listener.doubt`."""
        self._leases.doubt()
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
            subscription.linger = False
            subscription.end()
        return held

    def _shutting_down(self) -> ShuttingDown:
        return ShuttingDown("the server is shutting down", retry_after_ms=self._rng.randint(*_RETRY_MS))

    async def _publish(self, principal: Principal, room: RoomId, chat: wire.Chat) -> Published:
        accepted_ns = 0 if self._stamping is None else self._stamping.now_ns()
        self.refuse_while_draining()
        draft = self.ingress.draft(principal, chat, int(self._wall_clock() * 1000))
        try:
            published = await self._timed(self.backplane.publish(room, draft))
        except RoomError as refusal:
            refusal.ref = wire.optional(chat.ref)
            raise
        if self._stamping is not None:
            self._stamping.published(room, published.position, accepted_ns)
        return published

    async def _timed(self, call: Awaitable[T]) -> T:
        began_s = self._clock()
        try:
            return await call
        finally:
            self.stats.backplane_calls += 1
            self.stats.backplane_s += self._clock() - began_s

    def _fanout(self, framing: Framing, answer: Answer | None) -> Fanout:
        if self._stamping is not None:
            return self._stamping.fanout(framing, self.stats, self._outside(), answer)
        if answer is None:
            return Fanout(framing, self.stats, self._outside())
        return Rounds(framing, self.stats, self._outside(), answer)

    def _outside(self) -> Outside:
        loop = asyncio.get_running_loop()
        return Outside(loop.call_soon, loop.call_later, self._clock, self._write, self.settings.coalesce_s)

    def _forget(self, subscription: Subscription) -> None:
        self.stats.connections[subscription.transport] -= 1
        subscription.end()
        if subscription.channel is not None:
            subscription.channel.remove(subscription)

    def _repair(self, room: RoomId) -> Awaitable[None] | None:
        channel = self._channels.get(room)
        return None if channel is None or self.draining else channel.repair()
