"""What a WebSocket's client has said and the app has not received. asyncio's queue is 3 KiB, also when it is empty."""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGIReceiveEvent


class Inbox:
    """What uvicorn's protocol puts into an `asyncio.Queue`. Who takes it waits for `news`, then looks whether another
    has taken it. It has no bound: the protocol stops reading.
    """

    __slots__ = ("_loop", "_waiters", "messages")

    def __init__(self) -> None:
        self.messages: list[ASGIReceiveEvent] = []  # oldest first; a few at most
        self._waiters: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def put_nowait(self, message: ASGIReceiveEvent) -> None:
        """Add a message."""
        self.messages.append(message)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:  # all: one that is cancelled now takes nothing
            if not waiter.done():
                waiter.set_result(None)

    def news(self) -> asyncio.Future[None]:
        """What is done when the next message comes."""
        loop = self._loop
        if loop is None:  # asked for once: CPython 3.11 calls the kernel each time, for the process's number
            loop = self._loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        if self._waiters:
            self._waiters = [each for each in self._waiters if not each.done()]
        self._waiters.append(waiter)
        return waiter
