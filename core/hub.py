"""The one place that orchestrates: who is attached, what comes in, what goes out, and how it all ends."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from core import wire
from core.auth import Authenticator
from core.backplane.base import Backplane, Lease
from core.channel import Channel
from core.errors import BadRequest, RoomError, ShuttingDown, Unauthorized, Unavailable
from core.fanout import Fanout
from core.ingress import Ingress
from core.model import Event, Member, Position, Principal, Published, RoomId
from core.outbox import Outbox
from core.settings import Settings
from core.stats import Stats
from core.subscription import Framing, Subscription

T = TypeVar("T")

_TICK_S: Final = 1.0
_RETRY_MS: Final = (500, 3000)  # the jittered hint of a draining server: not everybody may come back at once

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
    ) -> None:
        self.settings = settings
        self.backplane = backplane
        self.authenticator = Authenticator(secret)
        self.ingress = Ingress(settings.max_bytes)
        self.stats = Stats()
        self.instance: Final = secrets.token_hex(4)
        self.draining = False
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng or random.Random()
        self._channels: dict[RoomId, Channel] = {}
        self._repairing: set[RoomId] = set()
        self._connection_ids = itertools.count(1)
        self._renewed_s = 0.0
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the backplane and keep time while entered; drain on leaving."""
        async with self.backplane.running(self), asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            ticking = tasks.create_task(self._keep_time())
            try:
                yield
            finally:
                self.drain()
                ticking.cancel()

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
    ) -> Subscription:
        """Make a subscriber a member of a room and let it hear what comes after `since`, or after now.

        A poller's lease outlives its subscription, since its next poll is on the way. Raises ShuttingDown, Unavailable.
        """
        self.refuse_while_draining()
        name = f"poll-{principal.token_key}" if poller else f"{self.instance}-{next(self._connection_ids)}"
        lease = Lease(room, principal.user_id, name)
        outbox: Outbox[object] = Outbox(self.settings.outbox_bytes)
        subscription = Subscription(principal, lease, transport, framing, outbox, self.stats, linger=poller)
        channel = await self._channel(room)
        await self._timed(channel.add(subscription, since))
        self.stats.connections[transport] += 1
        try:
            await self._timed(self.backplane.hold(lease, self.settings.presence_ttl_s))
        except BaseException:
            self._forget(subscription)
            raise
        if since is not None:
            self.stats.resumes[subscription.start.resync or "recovered"] += 1
        if self.draining:  # it began while we waited: drain() did not see this one
            subscription.end(self._shutting_down())
        return subscription

    async def detach(self, subscription: Subscription) -> None:
        """End a subscription that `attach` gave; its membership ends too, a poller's when its lease runs out."""
        self._forget(subscription)
        try:
            if subscription.linger:
                await self.backplane.hold(subscription.lease, self.settings.presence_ttl_s)
            else:
                await self.backplane.release(subscription.lease)
        except Unavailable:
            _log.info("a lease could not be given back; it will run out by itself")

    async def post(self, principal: Principal, room: RoomId, raw: bytes) -> bytes:
        """Publish a POSTed body. Returns the answer's body. Raises RoomError."""
        chat = self.ingress.chat_body(raw)
        published = await self._publish(principal, room, chat)
        return wire.accepted(published.position, wire.optional(chat.ref))

    async def ingest(self, principal: Principal, room: RoomId, raw: bytes) -> bytes | None:
        """Carry out one command of a duplex transport. Returns the reply, None for `leave`. Raises RoomError."""
        command = self.ingress.command(raw)
        match command:
            case wire.Chat():
                published = await self._publish(principal, room, command)
                return wire.ack(published.position, wire.optional(command.ref))
            case wire.Ping():
                return wire.pong(wire.optional(command.ref))
            case wire.Leave():
                return None
            case wire.Hello():
                raise BadRequest("hello has been said already")

    async def leave(self, principal: Principal, room: RoomId) -> None:
        """End the membership that a token has in a room, with the streams and polls it holds here.

        Raises Unavailable.
        """
        channel = self._channels.get(room)
        for subscription in list(channel or ()):
            if subscription.principal.token_key == principal.token_key:
                subscription.linger = False
                subscription.end()
                await self.backplane.release(subscription.lease)
        await self.backplane.release(Lease(room, principal.user_id, f"poll-{principal.token_key}"))

    async def members(self, room: RoomId) -> tuple[Position, tuple[Member, ...]]:
        """A room's head and members, over all instances. Raises Unavailable."""
        position, members = await self._timed(self.backplane.members(room))
        return position, tuple(members)

    def drain(self) -> None:
        """Refuse what is new; end every stream and held poll after what waits for it."""
        self.draining = True
        for channel in self._channels.values():
            for subscription in list(channel):
                subscription.end(self._shutting_down())

    def refuse_while_draining(self) -> None:
        """Raise ShuttingDown once the drain has begun."""
        if self.draining:
            raise self._shutting_down()

    def deliver(self, room: RoomId, event: Event) -> None:
        """See `Listener.deliver`."""
        channel = self._channels.get(room)
        if channel is not None:
            channel.receive(event)

    def doubt(self, room: RoomId | None) -> None:
        """See `Listener.doubt`."""
        for followed in self._channels if room is None else [room]:
            self._repair_soon(followed)

    @property
    def outbox_bytes(self) -> int:
        """Bytes that wait in all outboxes."""
        return sum(subscription.outbox.waiting_bytes for channel in self._channels.values() for subscription in channel)

    def _shutting_down(self) -> ShuttingDown:
        return ShuttingDown("the server is shutting down", retry_after_ms=self._rng.randint(*_RETRY_MS))

    async def _publish(self, principal: Principal, room: RoomId, chat: wire.Chat) -> Published:
        self.refuse_while_draining()
        draft = self.ingress.draft(principal, chat, int(self._wall_clock() * 1000))
        try:
            return await self._timed(self.backplane.publish(room, draft))
        except RoomError as refusal:
            refusal.ref = wire.optional(chat.ref)
            raise

    async def _timed(self, call: Awaitable[T]) -> T:
        began_s = self._clock()
        try:
            return await call
        finally:
            self.stats.backplane_calls += 1
            self.stats.backplane_s += self._clock() - began_s

    async def _channel(self, room: RoomId) -> Channel:
        channel = self._channels.get(room)
        if channel is None:
            channel = self._channels[room] = Channel(
                room, self.backplane, self._fanout, lambda: self._repair_soon(room), self._clock()
            )
        if channel.head is None:
            async with channel.opening:
                if channel.head is None:
                    await self._timed(channel.open())
        return channel

    def _fanout(self, framing: Framing) -> Fanout:
        return Fanout(framing, self.stats, asyncio.get_running_loop().call_soon)

    def _forget(self, subscription: Subscription) -> None:
        self.stats.connections[subscription.transport] -= 1
        subscription.end()
        channel = self._channels.get(subscription.lease.room)
        if channel is not None:
            channel.remove(subscription, self._clock())

    def _repair_soon(self, room: RoomId) -> None:
        if room not in self._repairing and self._tasks is not None:
            self._repairing.add(room)
            self._tasks.create_task(self._repair(room))

    async def _repair(self, room: RoomId) -> None:
        try:
            while not self.draining and (channel := self._channels.get(room)) is not None:
                try:
                    self._repairing.discard(room)  # a hole seen from here on asks anew
                    return await channel.repair()
                except Unavailable:
                    self._repairing.add(room)
                    await asyncio.sleep(_TICK_S)
        finally:
            self._repairing.discard(room)

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                await self.tick()
            except Unavailable:
                _log.warning("the backplane is away; leases and sweeps wait for it")

    async def tick(self) -> None:
        """Do what is due once a second: renew leases, end expired tokens, close idle channels, sweep.

        Raises Unavailable.
        """
        now_s, wall_s = self._clock(), self._wall_clock()
        subscriptions = [subscription for channel in self._channels.values() for subscription in channel]
        for subscription in subscriptions:
            if subscription.principal.expires_at_s <= wall_s:
                subscription.end(Unauthorized("the token has expired"))
        # Renewed before the sweep: after a pause of the whole process nobody who is still here is swept.
        if now_s - self._renewed_s >= self.settings.presence_ttl_s / 3:
            leases = [subscription.lease for subscription in subscriptions if not subscription.ended]
            await self.backplane.renew(leases, self.settings.presence_ttl_s)
            self._renewed_s = now_s
        for room, channel in list(self._channels.items()):
            if channel.idle and now_s - channel.idle_since_s >= self.settings.presence_ttl_s:
                del self._channels[room]
                if channel.head is not None:
                    await self.backplane.unsubscribe(room)
        await self.backplane.sweep()
