"""The one place that orchestrates: subscribers, what clients send, what they are sent, and how it all ends."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final

from core import wire
from core.auth import Authenticator
from core.backplane.base import Backplane, Lease
from core.calls import Calls
from core.channels import Channels
from core.comeback import Comeback
from core.commands import Commands
from core.errors import NOT_ENTERED, RoomError, Unavailable
from core.fanout import Fanout, NewFanout
from core.ingress import Ingress
from core.leases import Leases, of_polls
from core.model import Event, Framing, Member, Position, Principal, RoomId
from core.repairs import Repairs
from core.settings import Settings
from core.stamping import Stamping
from core.stats import Stats
from core.subscription import Subscription
from core.timekeeper import Timekeeper

Reply = Callable[[Position, str | None], bytes]  # of a position and a ref

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
        self.clock = clock
        self.wall_clock = wall_clock
        self._stamping = stamping
        self._comeback = Comeback(rng or random.Random())
        self._commands = Commands()
        self._calls = Calls(self.stats, clock)
        self._repairs = Repairs(self._repair)
        self._channels = Channels(backplane, settings, clock, self._calls.timed, self._repairs.soon)
        self.leases = Leases(backplane, settings.presence_ttl_s, clock, self._calls.timed)
        self._connection_ids = itertools.count(1)
        pings = self._commands.pings
        self._timekeeper = Timekeeper(backplane, self._channels, self.leases, pings, clock, wall_clock)

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
        name = of_polls(principal.token_key) if poller else f"{self.instance}-{next(self._connection_ids)}"
        return Lease(room, principal.user_id, name)

    async def join(self, subscription: Subscription, since: Position | None, new_fanout: NewFanout = Fanout) -> None:
        """As `attach`, for a subscription and a fan-out of any class. Raises ShuttingDown, Unavailable."""
        self.refuse_while_draining()
        if self._stamping is not None:
            new_fanout = self._stamping.watching(new_fanout)
        channel = self._channels.get(subscription.lease.room)
        if channel is None or channel.head is None:
            channel = await self._channels.open(subscription.lease.room)
        await self._calls.timed(channel.add(subscription, since, new_fanout))
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
            subscription.end(self._comeback.told())

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
        return self._commands.answer(principal, command, self.clock())

    async def leave(self, principal: Principal, room: RoomId) -> None:
        """End the membership that a token has in a room, with the streams and polls it holds, here and elsewhere.

        Raises Unavailable.
        """
        poll = self.lease(principal, room, poller=True)
        for subscription in self._dismiss(room, principal.token_key):
            await self.backplane.release(subscription.lease)
        await self.backplane.release(poll)
        await self.backplane.dismiss(room, principal.token_key)

    async def members(self, room: RoomId) -> tuple[Position, tuple[Member, ...]]:
        """A room's head and members, over all instances. Raises Unavailable."""
        position, members = await self._calls.timed(self.backplane.members(room))
        return position, tuple(members)

    def drain(self) -> None:
        """Refuse what is new; end every stream and held poll after what waits for it."""
        self.draining = True
        subscriptions = self._channels.subscriptions()
        self._comeback.expect(len(subscriptions))
        for subscription in subscriptions:
            subscription.end(self._comeback.told())

    def refuse_while_draining(self) -> None:
        """Raise ShuttingDown once the drain has begun, Unavailable before `running()` was entered."""
        if self.draining:
            raise self._comeback.told()
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
        self.leases.forget(room, of_polls(token_key))
        held = [each for each in self._channels.get(room) or () if each.principal.token_key == token_key]
        for subscription in held:
            subscription.is_poller = False
            subscription.end()
        return held

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
            self._calls.count(began_s)
        if self._stamping is not None:
            self._stamping.published(room, published.position, accepted_ns)
        return reply(published.position, chat.ref or None)

    def _forget(self, subscription: Subscription) -> None:
        self.stats.connections[subscription.transport] -= 1
        subscription.end()
        if subscription.channel is not None:
            subscription.channel.remove(subscription)

    def _repair(self, room: RoomId) -> Awaitable[None] | None:
        channel = self._channels.get(room)
        return None if channel is None or self.draining else channel.repair()
