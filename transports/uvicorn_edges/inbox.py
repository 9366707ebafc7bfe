"""What a WebSocket's client has said and the app has not received. asyncio's queue is 3 KiB, also when it is empty."""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGIReceiveEvent


class Inbox:
    """What uvicorn's protocol uses of `asyncio.Queue`, but that one waits for `news`, and then looks whether another
    has taken it. It has no bound: the protocol stops reading.
    """

    __slots__ = ("_loop", "_waiters", "messages")

    def __init__(self) -> None:
        self.messages: list[ASGIReceiveEvent] = []  # a few at most
        self._waiters: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.messages

    def put_nowait(self, message: ASGIReceiveEvent) -> None:
        """Add a message."""
        self.messages.append(message)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:  # all: one that is cancelled now takes nothing
            if not waiter.done():
                waiter.set_result(None)

    def get_nowait(self) -> ASGIReceiveEvent:
        """Take the oldest message, which is there."""
        return self.messages.pop(0)

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
