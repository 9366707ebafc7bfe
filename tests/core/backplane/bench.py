"""What the conformance kit needs of a kind of backplane, and the bench of the memory backplane."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from core.backplane.base import Backplane
from core.backplane.memory import MemoryBackplane
from core.model import Event, RoomId
from core.settings import Settings
from tests.core.clock import FakeClock

PATIENCE_S = 10.0


@dataclass
class Recorder:
    """A listener that remembers, as an instance's hub would receive it."""

    delivered: list[tuple[RoomId, Event]] = field(default_factory=list)
    doubted: list[RoomId | None] = field(default_factory=list)
    dismissed: list[tuple[RoomId, str]] = field(default_factory=list)
    _received: asyncio.Event = field(default_factory=asyncio.Event)

    def deliver(self, room: RoomId, event: Event) -> None:
        self.delivered.append((room, event))
        self._received.set()

    def may_have_missed(self, room: RoomId | None) -> None:
        self.doubted.append(room)
        self._received.set()

    def dismiss(self, room: RoomId, token_key: str) -> None:
        self.dismissed.append((room, token_key))
        self._received.set()

    async def dismissals(self) -> list[tuple[RoomId, str]]:
        """Wait until somebody has been dismissed."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.dismissed:
                self._received.clear()
                await self._received.wait()
        return self.dismissed

    async def offsets(self, room: RoomId, count: int) -> list[int]:
        """Wait until `count` distinct events of a room came; their offsets in the order of first delivery."""
        async with asyncio.timeout(PATIENCE_S):
            while len(seen := self._distinct(room)) < count:
                self._received.clear()
                await self._received.wait()
        return seen

    def _distinct(self, room: RoomId) -> list[int]:
        return list(dict.fromkeys(event.position.offset for where, event in self.delivered if where == room))


class Bench(Protocol):
    """Makes instances that share rooms, and lets time pass for them.

    Times in the kit are short, so that a backplane that keeps real time can be waited for.
    """

    def instance(self, settings: Settings) -> Backplane:
        """One more instance over the same rooms. The settings are the same for all instances of a bench."""
        ...

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        ...


class MemoryBench:
    """All instances are one object: that is how hubs share a memory backplane."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self._shared: MemoryBackplane | None = None

    def instance(self, settings: Settings) -> MemoryBackplane:
        if self._shared is None:
            self._shared = MemoryBackplane(settings, clock=self.clock.monotonic, wall_clock=self.clock.wall)
        return self._shared

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


@asynccontextmanager
async def listening(backplane: Backplane, *rooms: RoomId) -> AsyncIterator[Recorder]:
    """A running instance that follows rooms."""
    recorder = Recorder()
    async with backplane.running(recorder):
        for room in rooms:
            await backplane.subscribe(room)
        yield recorder
