"""What a WebSocket's client has said and the app has not received. asyncio's queue is 3 KiB, also when it is empty."""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGIReceiveEvent


class Inbox:
    """As much of `asyncio.Queue` as uvicorn's protocol uses. It has no bound: the protocol stops reading."""

    __slots__ = ("_messages", "_waiters")

    def __init__(self) -> None:
        self._messages: list[ASGIReceiveEvent] = []  # a few at most
        self._waiters: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._messages)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._messages

    def put_nowait(self, message: ASGIReceiveEvent) -> None:
        """Add a message."""
        self._messages.append(message)
        for waiter in self._waiters:  # all: one that is cancelled now takes nothing
            if not waiter.done():
                waiter.set_result(None)

    def get_nowait(self) -> ASGIReceiveEvent:
        """Take the oldest message, which is there."""
        return self._messages.pop(0)

    async def get(self) -> ASGIReceiveEvent:
        """Take the oldest message, when there is one."""
        while not self._messages:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)
        return self._messages.pop(0)
