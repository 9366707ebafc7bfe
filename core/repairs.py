"""Catching up with the store: at most one repair of a room at a time, tried again while the backplane is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from core.errors import Unavailable
from core.model import RoomId

_PAUSE_S: Final = 1.0

Repair = Callable[[RoomId], Awaitable[None] | None]  # None: nobody follows the room any more


class Repairs:
    """Runs `repair` of rooms that ask for it, in tasks that end with `running`."""

    def __init__(self, repair: Repair) -> None:
        self._repair = repair
        self._asked: set[RoomId] = set()  # rooms whose repair has not begun to read
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    @contextmanager
    def running(self, group: asyncio.TaskGroup) -> Iterator[None]:
        """Do in `group` what is asked for while entered; before that nothing is."""
        self._group = group
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()

    def soon(self, room: RoomId) -> None:
        """Ask for a repair of a room, unless one has been asked for and has not begun yet."""
        if room not in self._asked and self._group is not None:
            self._asked.add(room)
            task = self._group.create_task(self._run(room))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, room: RoomId) -> None:
        try:
            while True:
                self._asked.discard(room)  # a hole seen from here on asks anew
                repair = self._repair(room)
                if repair is None:
                    return None
                try:
                    return await repair
                except Unavailable:
                    self._asked.add(room)
                    await asyncio.sleep(_PAUSE_S)
        finally:
            self._asked.discard(room)
