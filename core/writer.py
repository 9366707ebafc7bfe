"""Writing by a coroutine without waiting for a task: its first step runs where the frame comes, and mostly is its last.

A coroutine may ask for its task, as timeouts and cancel scopes do, and for its context: both are its subscriber's.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from asyncio import _enter_task, _leave_task, current_task
from collections.abc import Callable, Coroutine, Generator, Iterator
from functools import partial
from typing import Any, Final, NoReturn

Write = Callable[[list[Any]], Coroutine[Any, Any, None]]
"""Sends frames, oldest first."""


class _Sent(Coroutine[Any, Any, None]):
    """A coroutine that has ended before its first step. It keeps nothing, so that one is enough, however often awaited.

    It may also become a task, as any coroutine may.
    """

    __slots__ = ()

    def __await__(self) -> Iterator[Any]:  # type: ignore[override]
        return iter(())

    def send(self, value: Any) -> NoReturn:
        raise StopIteration

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> NoReturn:
        raise error

    def close(self) -> None:
        pass


SENT: Final = _Sent()
"""What a plain `send` gives back when it has sent: to make a coroutine takes longer than that."""


class Turns:
    """Counts turns of the event loop while anybody does something in them, and calls back at the end of one.

    All callbacks of a turn are one of the loop's: to make that takes it as long as a small write.
    """

    __slots__ = ("_begun", "_more", "number")

    def __init__(self) -> None:
        self.number = 0
        self._begun = False
        self._more: list[Callable[[], None]] = []

    def begin(self) -> int:
        """Have this turn end. Returns its number."""
        if not self._begun:
            self._begun = True
            asyncio.get_running_loop().call_soon(self._end)
        return self.number

    def at_end(self, callback: Callable[[], None]) -> None:
        """Call back at the end of this turn."""
        self._more.append(callback)
        if not self._begun:
            self.begin()

    def forget(self, callback: Callable[[], None]) -> None:
        """Take back what was asked for last; what others have asked for since then is in the way."""
        if self._more and self._more[-1] == callback:
            self._more.pop()

    def _end(self) -> None:
        self.number += 1
        self._begun = False
        more, self._more = iter(self._more), []
        try:
            for callback in more:
                callback()
        finally:  # one that fails must not keep the others from being called
            if rest := list(more):
                self._more[:0] = rest
                self.begin()


class Writer:
    """Writes for the task that makes it; with `turns` once a turn, and what else comes in that is written together."""

    __slots__ = ("_begun", "_context", "_failure", "_loop", "_task", "_turn", "_write", "turns")

    def __init__(self, write: Write, turns: Turns | None) -> None:
        self.turns = turns
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]  # it is a coroutine's call
        self._context = contextvars.copy_context()
        self._turn = -1  # in which it wrote last
        self._begun: tuple[Coroutine[Any, Any, None], Any] | None = None  # a write, and what it waits for
        self._failure: BaseException | None = None

    @property
    def has_written(self) -> bool:
        """Whether it has written in this turn, and what comes now is to be written at the end of it."""
        return self.turns is not None and self._turn == self.turns.number

    def begin(self, frames: list[Any]) -> bool:
        """Begin to write. Returns whether that is done; if not, also where it failed, the task is to `finish`."""
        if self.turns is not None:
            self._turn = self.turns.begin()
        try:
            writing = self._write(frames)
            if writing is not SENT:
                self._begun = writing, taken(self._first_step(writing))
                return False
        except StopIteration:
            pass
        except BaseException as failure:  # noqa: BLE001  it is this subscriber's alone, not the caller's
            self._failure = failure
            return False
        return True

    def _first_step(self, writing: Coroutine[Any, Any, None]) -> Any:
        """What it waits for. Raises StopIteration where it has ended."""
        caller = current_task(self._loop)
        if caller is not None:
            _leave_task(self._loop, caller)
        _enter_task(self._loop, self._task)
        try:
            return self._context.run(writing.send, None)
        finally:
            _leave_task(self._loop, self._task)
            if caller is not None:
                _enter_task(self._loop, caller)

    async def finish(self, error: BaseException | None) -> None:
        """Finish what was begun, by the writer's task. An `error` that has reached it meanwhile is the write's.

        Raises what the write raises.
        """
        begun, self._begun = self._begun, None
        if begun is not None:
            await go_on(*begun, error, self._context.run)
        elif error is not None:
            raise error
        elif self._failure is not None:
            raise self._failure


def taken(waits_for: Any) -> Any:
    """Take what a coroutine waits for that was begun outside of a task, until `go_on` waits for it."""
    if waits_for is not None:  # a future: None is a turn of the loop
        waits_for._asyncio_future_blocking = False  # as a task does that gets it: others may await it too
    return waits_for


async def go_on(
    begun: Coroutine[Any, Any, None],
    waits_for: Any,
    error: BaseException | None = None,
    run: Callable[[Callable[[], Any]], Any] = lambda step: step(),
) -> None:
    """Go on with what was begun, in the task that awaits this: `await` refuses a coroutine that waits already."""
    if waits_for is not None:
        waits_for._asyncio_future_blocking = True  # as its `__await__` has done
    await _steps(begun, waits_for, error, run)


@types.coroutine
def _steps(
    begun: Coroutine[Any, Any, None],
    waits_for: Any,
    error: BaseException | None,
    run: Callable[[Callable[[], Any]], Any],
) -> Generator[Any, None, None]:
    while True:
        try:
            if error is None:
                yield waits_for
        except GeneratorExit:
            begun.close()
            raise
        except BaseException as caught:  # noqa: BLE001  its own affair, as in any `await`
            error = caught
        step = partial(begun.send, None) if error is None else partial(begun.throw, error)
        error = None
        try:
            waits_for = run(step)
        except StopIteration:
            return
