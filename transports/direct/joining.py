"""How subscribers of the fast path join a room: with a subscription and a fan-out of their own classes."""

from __future__ import annotations

import asyncio

from core.hub import Hub
from core.model import Framing, Position, Principal, RoomId
from core.writer import Turns
from transports.direct.batches import Batcher
from transports.direct.poll_batches import PollBatcher
from transports.direct.services import LoopServices, Write
from transports.direct.subscription import Answer, DirectSubscription, PollSubscription


class Joining:
    """Attaches direct subscribers to one hub. See `Hub.attach` for what is raised."""

    def __init__(self, hub: Hub, write: Write) -> None:
        self._hub = hub
        self._write = write
        self._turns = Turns()

    async def attach(
        self, principal: Principal, room: RoomId, transport: str, framing: Framing, since: Position | None
    ) -> DirectSubscription:
        """As `Hub.attach`, for a stream."""
        hub = self._hub
        lease = hub.lease(principal, room, poller=False)
        made = DirectSubscription(principal, lease, transport, framing, hub.settings.outbox_bytes, hub.stats)
        await hub.join(made, since, lambda framing: Batcher(framing, hub.stats, self._services()))
        return made

    async def attach_poller(
        self,
        principal: Principal,
        room: RoomId,
        transport: str,
        framing: Framing,
        since: Position | None,
        answer: Answer,
    ) -> PollSubscription:
        """As `Hub.attach`, for a poller that is answered once with what `answer` makes."""
        hub = self._hub
        lease = hub.lease(principal, room, poller=True)
        made = PollSubscription(principal, lease, transport, framing, hub.settings.outbox_bytes, hub.stats, answer)

        await hub.join(made, since, lambda framing: PollBatcher(framing, hub.stats, self._services(), answer))
        return made

    def _services(self) -> LoopServices:
        loop, hub = asyncio.get_running_loop(), self._hub
        return LoopServices(self._turns.at_end, loop.call_later, hub.clock, self._write, hub.settings.coalesce_s)
