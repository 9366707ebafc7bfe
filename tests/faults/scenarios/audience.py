"""What most scenarios share: witnesses and publishers around a fault, and the verdict at the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict

from loadtests.load.clients.base import Access
from tests.faults.fleet import Fleet
from tests.faults.peer import TRANSPORTS
from tests.faults.publisher import Books, Publisher
from tests.faults.table import Measured
from tests.faults.verdict import Verdict, judge
from tests.faults.witness import Witness, roaming

_LIVE_S = 20.0
_CATCH_UP_S = 30.0


class Audience:
    """The witnesses of one room, the publishers to it, and their books."""

    def __init__(self, running: Fleet, room: str, seed: int) -> None:
        self.fleet = running
        self.room = room
        self.witnesses: list[Witness] = []
        self.books = Books()
        self._rng = random.Random(seed)
        self._tasks: list[asyncio.Task[None]] = []

    async def seat(self, count: int, transports: Sequence[str] = TRANSPORTS) -> None:
        """Add witnesses, evenly over transports and instances, and wait until all are live."""
        for number in range(count):
            user = f"witness-{len(self.witnesses)}"
            ways = [self.fleet.access(instance, self.room, user) for instance in range(len(self.fleet.servers))]
            order = [transports[(number + turn) % len(transports)] for turn in range(len(transports))]
            witness = Witness(user, roaming(ways, order, number), random.Random(self._rng.random()))
            self.witnesses.append(witness)
            self._tasks.append(asyncio.create_task(witness.run()))
        await self.all_live()

    async def all_live(self) -> None:
        async with asyncio.timeout(_LIVE_S):
            for witness in self.witnesses:
                await witness.live.wait()

    def publisher(self, name: str, first: int = 0, *, insist: bool = True, proxied: bool = False) -> Publisher:
        """A publisher that begins at instance `first`, and goes to the next when a connection ends."""

        def way(attempt: int) -> Access:
            return self.fleet.access(first + attempt, self.room, name, proxied=proxied)

        return Publisher(name, way, self.books, insist=insist)

    async def settle(self) -> bool:
        """Publish a last message and wait until every witness has received it; whether all have."""
        last = await self.publisher("last").publish(f"last-{self._rng.random()}")
        return all([await witness.until(last, _CATCH_UP_S) for witness in self.witnesses])

    def judge(self) -> Verdict:
        """Compare what the witnesses received with the books."""
        books = self.books
        published = set(books.acknowledged) | books.refused | books.unanswered
        return judge((witness.log for witness in self.witnesses), books, published)

    def measured(self, verdict: Verdict, *, caught_up: bool) -> Measured:
        """The counts, for the table."""
        return {
            "acknowledged": len(self.books.acknowledged),
            "refused": len(self.books.refused),
            "retries": self.books.retries,
            "witnesses": len(self.witnesses),
            "connections": sum(witness.log.connections for witness in self.witnesses),
            "received": sum(len(witness.log.received) for witness in self.witnesses),
            **asdict(verdict),
            "all_caught_up": caught_up,
            "log_offences": len(self.fleet.offences),
        }

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def audience(running: Fleet, room: str, seed: int) -> AsyncIterator[Audience]:
    """An audience that leaves at the end."""
    gathered = Audience(running, room, seed)
    try:
        yield gathered
    finally:
        await gathered.leave()
