"""Which leases this instance holds for its subscribers, and when they are due again."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from core.backplane.base import Backplane, Lease
from core.errors import Unavailable
from core.model import RoomId
from core.subscription import Subscription

# Shares of a poller's lease's time. Polls may be many a second: within the first it is not renewed again. Within the
# second a poll need not wait for it to be: that is done for all of them together with the next tick.
_FRESH_SHARE: Final = 1 / 6
_HELD_SHARE: Final = 1 / 2

Timed = Callable[[Awaitable[None]], Awaitable[None]]


class Leases:
    """Takes, renews and lets run on. A stream's lease is the hub's to give back; a poller's outlives its polls."""

    __slots__ = ("_backplane", "_clock", "_due", "_fresh_s", "_polling", "_renewed_s", "_timed", "_ttl_s", "generation")

    def __init__(self, backplane: Backplane, ttl_s: float, clock: Callable[[], float], timed: Timed) -> None:
        self._backplane = backplane
        self._ttl_s = ttl_s
        self._clock = clock
        self._timed = timed
        self._polling: dict[RoomId, dict[str, float]] = {}  # pollers' leases by name, and when they were last held
        self._due: dict[Lease, None] = {}  # pollers' leases that are to be prolonged
        self._fresh_s = ttl_s * _FRESH_SHARE
        self._renewed_s = 0.0
        self.generation = 0  # counts up when what is known of pollers' leases is given up, of one or of many

    async def hold(self, subscription: Subscription) -> None:
        """Take its lease; a poller's may be held by the last poll."""
        lease = subscription.lease
        if not subscription.is_poller:
            await self._timed(self._backplane.hold(lease, self._ttl_s))
        else:
            try:
                await self._timed(self._backplane.hold(lease, self._ttl_s))
            except Unavailable:
                if lease.name not in self._polling.get(lease.room, {}):
                    raise  # else: a member goes on reading while the backplane is away
            else:
                self._polling.setdefault(lease.room, {})[lease.name] = self._clock()

    async def run_on(self, lease: Lease) -> None:
        """Let a poller's lease run on from now, unless it was given back meanwhile."""
        await self._backplane.prolong([lease], self._ttl_s)
        self._prolonged(lease)

    def run_on_soon(self, lease: Lease) -> None:
        """As `run_on`, with the next tick; not for one that was taken lately."""
        if not self.is_fresh(lease):
            self._due[lease] = None

    def is_fresh(self, lease: Lease) -> bool:
        """Whether a poller's lease was taken so lately that it need not be asked about, nor be renewed."""
        held = self._polling.get(lease.room)
        return held is not None and self._clock() - held.get(lease.name, -math.inf) < self._fresh_s

    def held_for_s(self, lease: Lease) -> float:
        """How long from now a poller may come back without asking about its lease; 0.0: it must be asked about now.

        One that is due is renewed beside, with the next tick. The answer holds until `generation` changes.
        """
        age_s = self._age_s(lease)
        if age_s < self._fresh_s:
            return self._fresh_s - age_s
        held_s = self._ttl_s * _HELD_SHARE - age_s
        if held_s <= 0.0:
            return 0.0
        self._due[lease] = None
        return held_s

    def _age_s(self, lease: Lease) -> float:
        held = self._polling.get(lease.room)
        return math.inf if held is None else self._clock() - held.get(lease.name, -math.inf)

    def forget(self, room: RoomId, name: str) -> None:
        """A poller's lease is given back, here or elsewhere."""
        self.generation += 1
        self._polling.get(room, {}).pop(name, None)

    def forget_room(self, room: RoomId) -> None:
        """Somebody left a room: it may be one of its pollers."""
        self.generation += 1
        self._polling.pop(room, None)

    def invalidate(self) -> None:
        """The backplane may have lost some: ask about each, and renew all with the next tick."""
        self.generation += 1
        self._polling.clear()
        self._renewed_s = -math.inf

    def forget_old(self) -> None:
        """Drop what is known of pollers that have not come back."""
        now_s = self._clock()
        for room, held in list(self._polling.items()):
            kept = {name: held_s for name, held_s in held.items() if now_s - held_s < self._ttl_s}
            if kept:
                self._polling[room] = kept
            else:
                del self._polling[room]

    async def renew(self, subscriptions: Iterable[Subscription]) -> None:
        """Renew the leases of subscribers here, every third of their time, and of pollers between two polls, when due.

        Raises Unavailable, to be tried again.
        """
        await self._prolong_due()
        now_s = self._clock()
        if now_s - self._renewed_s < self._ttl_s / 3:
            return
        live = [subscription for subscription in subscriptions if not subscription.ended]
        await self._backplane.renew([each.lease for each in live if not each.is_poller], self._ttl_s)
        # A poller that has left on another instance is not taken back because its last poll is still held here.
        await self._backplane.prolong([each.lease for each in live if each.is_poller], self._ttl_s)
        self._renewed_s = now_s

    async def _prolong_due(self) -> None:
        due = list(self._due)
        if due:
            await self._backplane.prolong(due, self._ttl_s)
        for lease in due:
            del self._due[lease]
            self._prolonged(lease)

    def _prolonged(self, lease: Lease) -> None:
        held = self._polling.get(lease.room, {})
        if lease.name in held:  # else: it was given back meanwhile
            held[lease.name] = self._clock()


def of_polls(token_key: str) -> str:
    """The name of the lease of all polls with a token."""
    return f"poll-{token_key}"
