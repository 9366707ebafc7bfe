"""When servers other than uvicorn begin to shut down: rooms are drained then, while streams can still get the reason.

Such a server ends the lifespan last, after it has waited for streams that never end by themselves. A signal reaches the
process first. Hypercorn's worker process gets none: it looks at an event, and so do we. Granian ends the lifespan while
WebSockets are still open, and cuts them off after it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import Any, Final

_LOOK_S: Final = 0.05
_NOT_A_SERVERS: Final = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None)


@asynccontextmanager
async def drained_at_shutdown(
    drain: Callable[[], None], connections: Callable[[], int], patience_s: float
) -> AsyncIterator[None]:
    """Call `drain` when the server that runs this event loop is asked to end.

    Is left when no stream and no held poll is left, or after `patience_s`.
    """
    looking = asyncio.ensure_future(_wait_for_hypercorn(drain))
    before = _chain_signals(drain, asyncio.get_running_loop())
    try:
        yield
    finally:
        looking.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
        drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                left = 1
                while left:
                    left = connections()
                    await asyncio.sleep(_LOOK_S)  # once more after the last: Granian writes in threads of its own


async def _wait_for_hypercorn(drain: Callable[[], None]) -> None:
    process: Any = multiprocessing.current_process()
    ending = None if multiprocessing.parent_process() is None else process._kwargs.get("shutdown_event")
    if ending is None:
        return
    while not ending.is_set():  # noqa: ASYNC110  another process sets it
        await asyncio.sleep(_LOOK_S)
    drain()


def _chain_signals(drain: Callable[[], None], loop: asyncio.AbstractEventLoop) -> dict[signal.Signals, Any]:
    """Drain before the server's own handler is called. Returns the handlers that were there."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        if handler not in _NOT_A_SERVERS:
            before[number] = handler
            signal.signal(number, _chained(drain, loop, handler))
            # A handler of the loop is called by what the signal writes to the loop, whichever function is set here.
            signal.siginterrupt(number, False)
    return before


def _chained(drain: Callable[[], None], loop: asyncio.AbstractEventLoop, handler: Any) -> Any:
    def first_drain(number: int, stack: FrameType | None) -> None:
        if asyncio.current_task(loop) is None:
            drain()  # now: what it wakes is the loop's next step, before the server's own handler
        loop.call_soon_threadsafe(drain)  # also then: it wakes the loop, which a handler does not
        handler(number, stack)

    return first_drain
