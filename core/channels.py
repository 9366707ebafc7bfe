"""The rooms that this instance follows: each from its first listener on, until nobody has listened for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from core.backplane.base import Backplane
from core.channel import Channel
from core.model import RoomId
from core.settings import Settings
from core.subscription import Subscription

_KEPT_S: Final = 2.0  # a room is followed this long after the last subscriber: a poller's next poll is on its way


class Channels:
    """Opens and closes channels. `repair_soon` gets the room whose channel has seen a hole."""

    __slots__ = ("_backplane", "_clock", "_followed", "_repair_soon", "_settings", "_timed", "get")

    def __init__(
        self,
        backplane: Backplane,
        settings: Settings,
        clock: Callable[[], float],
        timed: Callable[[Awaitable[None]], Awaitable[None]],
        repair_soon: Callable[[RoomId], None],
    ) -> None:
        self._backplane = backplane
        self._settings = settings
        self._clock = clock
        self._timed = timed
        self._repair_soon = repair_soon
        self._followed: dict[RoomId, Channel] = {}
        self.get: Callable[[RoomId], Channel | None] = self._followed.get  # None where a room is not followed

    def __iter__(self) -> Iterator[RoomId]:
        return iter(self._followed)

    def subscriptions(self) -> list[Subscription]:
        """All who listen now."""
        return [subscription for channel in self._followed.values() for subscription in channel]

    async def open(self, room: RoomId) -> Channel:
        """A room's channel, followed from now on. Raises Unavailable."""
        channel = self._followed.get(room)
        if channel is None:
            channel = self._followed[room] = Channel(
                room, self._backplane, self._settings, self._clock, lambda: self._repair_soon(room)
            )
        if channel.head is None:
            async with channel.opening:
                if channel.head is None:
                    await self._timed(channel.open())
        return channel

    async def close_idle(self) -> None:
        """Follow no longer where nobody has listened for a while. Raises Unavailable."""
        now_s = self._clock()
        for room, channel in list(self._followed.items()):
            if channel.idle and now_s - channel.idle_since_s >= _KEPT_S:
                del self._followed[room]
                channel.closed = True
                if channel.head is not None:
                    await self._backplane.unsubscribe(room)
