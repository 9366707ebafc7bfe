"""A subscriber that reconnects after every cut, to another instance and transport, and records all that it receives."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loadtests.load.clients.base import Access, Event
from tests.faults.peer import Peer, connect, make_client
from tests.faults.waiting import until

ROOM_EVENTS = frozenset({"chat", "user_joined", "user_left"})
_WELCOME_S = 8.0


@dataclass(slots=True)
class Received:
    """One event or resync as a witness received it; `gap` marks a resync, whose `id` is where it jumped to."""

    id: str
    content: str = ""
    kind: str = ""
    gap: bool = False


@dataclass(slots=True)
class Log:
    """What one witness received, in order, over all its connections."""

    name: str
    start: str = ""  # the position of the first welcome
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def announced_gaps(self) -> int:
        return sum(each.gap for each in self.received)


class Witness:
    """`run` until cancelled. `way(n)` gives transport and access of the n-th connection."""

    def __init__(self, name: str, way: Callable[[int], tuple[str, Access]], rng: random.Random) -> None:
        self.log = Log(name)
        self.position = ""
        self.live = asyncio.Event()
        self._way = way
        self._rng = rng
        self._peer: Peer | None = None

    async def run(self) -> None:
        attempt = 0
        try:
            while True:
                transport, access = self._way(attempt)
                attempt += 1
                await self._listen(transport, access)
                self.live.clear()
                await asyncio.sleep(self._rng.uniform(0.005, 0.05))
        finally:
            if self._peer is not None:
                self._peer.abort()

    async def until(self, position: str, within_s: float) -> bool:
        """Wait until it has received up to `position` at least; whether that came in time."""
        epoch, _, offset = position.rpartition(":")

        def caught_up() -> bool:
            at_epoch, _, at = self.position.rpartition(":")
            return at_epoch == epoch and int(at) >= int(offset)

        return await until(caught_up, within_s)

    async def _listen(self, transport: str, access: Access) -> None:
        client = make_client(transport, access, self.position)
        peer = self._peer = await connect(client, self._take)
        if peer is None:
            return
        self.log.connections += 1
        if not await until(lambda: client.welcomed or peer.ended.is_set(), _WELCOME_S):
            peer.abort()
            return
        if client.welcomed:
            if not self.log.start:
                self.log.start = self.position = client.position
            self.live.set()
        await peer.ended.wait()
        peer.abort()

    def _take(self, event: Event) -> None:
        if event.type in ROOM_EVENTS:
            if not self.log.start:  # came with the welcome, in one chunk
                epoch, _, offset = event.id.rpartition(":")
                self.log.start = f"{epoch}:{int(offset) - 1}"
            self.log.received.append(Received(event.id, event.content, event.type))
            self.position = event.id
        elif event.type == "welcome":
            if not self.position:
                self.log.start = self.position = event.position
        elif event.type == "resync":
            self.log.received.append(Received(event.position, event.reason, "resync", gap=True))
            self.position = event.position
        elif event.type == "protocol_error":
            self.log.errors.append(event.message)


def roaming(accesses: Sequence[Access], transports: Sequence[str], first: int) -> Callable[[int], tuple[str, Access]]:
    """Another instance with each connection, and another transport with every second."""

    def way(attempt: int) -> tuple[str, Access]:
        turn = first + attempt
        return transports[(turn // 2) % len(transports)], accesses[turn % len(accesses)]

    return way
