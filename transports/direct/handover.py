"""A connection that its endpoint hands over: its holder gets what happens to it, and may write to its socket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from core.writer import go_on, taken


class Holder(Protocol):
    """Who holds a connection that its endpoint has handed over."""

    def pause(self) -> None:
        """The transport's buffer is over its high-water mark."""
        ...

    def resume(self) -> None:
        """It is below its low-water mark again."""
        ...

    def lost(self) -> None:
        """The connection is gone."""
        ...


class DuplexHolder(Holder, Protocol):
    """Of a connection on which the client goes on talking."""

    def receive(self, text: str | None) -> None:
        """A message; None for a binary one."""
        ...


Holds = TypeVar("Holds", bound=Holder)


class HandedOver(asyncio.Protocol, Generic[Holds]):
    """A connection that may have a holder, which gets what happens to it. Stands before uvicorn's class."""

    holder: Holds | None = None
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    tasks: set[asyncio.Task[None]]

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something up to its second wait, outside of any task, and the rest of it, if there is one, as `spawn`."""
        try:
            waits_for = taken(work.send(None))
        except StopIteration:
            return
        if waits_for is None:  # for a turn of the loop
            self.spawn(go_on(work, None))
        else:
            self.tasks.add(waits_for)  # a shutdown that cancels it cancels the work
            waits_for.add_done_callback(partial(self._go_on, work))

    def _go_on(self, work: Coroutine[Any, Any, None], waited_for: Any) -> None:
        self.tasks.discard(waited_for)
        try:  # noqa: SIM105 - to enter `suppress` takes longer than most of the work
            self.spawn(go_on(work, taken(work.send(None))))
        except (StopIteration, asyncio.CancelledError):
            pass

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in a task that a graceful shutdown waits for."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def write_through(self) -> int | None:
        """The descriptor of the socket, if that may be written to itself, without TLS before it; the transport's
        `write` goes through every connection twice. From now on the holder is paused while a byte waits in the
        transport's buffer, and it learns that the connection is lost before the descriptor can be another one's.
        """
        if self.transport.is_closing() or os.name != "posix":  # elsewhere a socket's number is no file's
            return None
        seen = self.transport.get_extra_info("socket")
        if seen is None or self.transport.get_extra_info("sslcontext") is not None:
            return None
        # Only here: asyncio's and uvloop's TLS transports pause at the limit, not over it, and so at 0 when empty.
        self.transport.set_write_buffer_limits(0)
        return int(seen.fileno())

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on to the holder, whatever happens: after this the transport closes the socket."""
        try:
            super().connection_lost(exc)
        finally:
            self._tell_lost()

    def pause_writing(self) -> None:
        """Pass it on to the holder."""
        super().pause_writing()
        if self.holder is not None:
            self.holder.pause()

    def resume_writing(self) -> None:
        """Pass it on to the holder."""
        super().resume_writing()
        if self.holder is not None:
            self.holder.resume()

    def _tell_lost(self) -> None:
        holder, self.holder = self.holder, None
        if holder is not None:
            holder.lost()
