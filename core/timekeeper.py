"""What is due once a second, in one instance: tokens expire, leases are renewed, rooms that nobody is in are left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from core.backplane.base import Backplane
from core.channels import Channels
from core.errors import Unauthorized, Unavailable
from core.leases import Leases
from core.ratelimit import RateLimiter

_TICK_S: Final = 1.0

_log = logging.getLogger("rtlab.hub")


class Timekeeper:
    """Two loops, each for a task of its own: a token expires in time also while the backplane makes us wait."""

    __slots__ = ("_backplane", "_channels", "_clock", "_leases", "_pings", "_wall_clock")

    def __init__(
        self,
        backplane: Backplane,
        channels: Channels,
        leases: Leases,
        pings: RateLimiter,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._backplane = backplane
        self._channels = channels
        self._leases = leases
        self._pings = pings
        self._clock = clock
        self._wall_clock = wall_clock

    async def end_in_time(self) -> None:
        """End the streams and polls whose token has expired, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            self._pings.forget_full(self._clock())
            wall_s = self._wall_clock()
            for subscription in self._channels.subscriptions():
                if subscription.principal.expires_at_s <= wall_s:
                    subscription.end(Unauthorized("the token has expired"))

    async def keep_up(self) -> None:
        """Renew leases, leave idle rooms and sweep, until cancelled; while the backplane is away that waits for it."""
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                # Renewed before the sweep: after a pause of the whole process no connected member is swept.
                await self._leases.renew(self._channels.subscriptions())
                await self._channels.close_idle()
                self._leases.forget_old()
                await self._backplane.sweep()
            except Unavailable:
                _log.debug("the backplane is away; leases and sweeps wait for it")  # why is its own to say, once
