"""The relay: for machines on which no namespace can be had. TCP connections are carried in user space, each chunk late.

    python -m loadtests.run.links.relay LINK HOST PORT SEED

Listens on two free ports of the loopback and prints them as one line: the first leads to HOST:PORT, the second to an
echo, for probing. What it cannot do: TCP stays on the loopback, so handshakes and acknowledgements cost nothing and no
packet can be lost; a chunk read at once leaves at once.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from loadtests.load.users.kernel_calls import HAS_TIMERFD, TimerFd
from loadtests.records.link_spec import parse
from loadtests.run.links import Direction

HOST = "127.0.0.1"
_CHUNK_BYTES = 262_144


class Delayed:
    """Runs calls after the direction's delay, in order; wakes by a timerfd, since asyncio rounds up to 1 ms."""

    def __init__(self, direction: Direction, loop: asyncio.AbstractEventLoop) -> None:
        self._direction = direction
        self._loop = loop
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()  # due_ns, ascending
        self._timer = TimerFd() if HAS_TIMERFD else None
        if self._timer is not None:
            loop.add_reader(self._timer.fd, self._due)

    def put(self, size_bytes: int, act: Callable[[], None]) -> None:
        """Run `act` when `size_bytes` that enter now come out."""
        due_ns = self._direction.admit(time.monotonic_ns(), size_bytes)
        if due_ns is None:
            raise ValueError("a relay cannot lose what TCP carries: loss must be 0")
        self._waiting.append((due_ns, act))
        if len(self._waiting) == 1:
            self._set()

    def _set(self) -> None:
        due_ns = self._waiting[0][0]
        if self._timer is not None:
            self._timer.arm(due_ns)
        else:
            self._loop.call_later(max(0.0, (due_ns - time.monotonic_ns()) / 1e9), self._due)

    def _due(self) -> None:
        if self._timer is not None:
            self._timer.clear()
        while self._waiting and self._waiting[0][0] <= time.monotonic_ns():
            self._waiting.popleft()[1]()
        if self._waiting:
            self._set()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Delayed) -> None:
    """Send every chunk of one direction on its way, then the end; a slow reader holds its sender back, as on a line."""
    with suppress(OSError):
        while data := await source.read(_CHUNK_BYTES):
            way.put(len(data), partial(_write, sink, data))
            await sink.drain()
    way.put(0, sink.close)


def _write(sink: asyncio.StreamWriter, data: bytes) -> None:
    if not sink.is_closing():
        sink.write(data)


async def _echo(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK_BYTES):
            sink.write(data)
    sink.close()


async def listen(there: Delayed, back: Delayed, host: str, port: int) -> asyncio.Server:
    """Accept on a free port and carry to `host`:`port`."""

    async def accept(near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        try:
            far, to_far = await asyncio.open_connection(host, port)
        except OSError:
            to_near.close()
            return
        await asyncio.gather(_carry(near, to_far, there), _carry(far, to_near, back))

    return await asyncio.start_server(accept, HOST, 0, backlog=4096)


def port_of(server: asyncio.Server) -> int:
    """Return the port that a server listens on."""
    return int(server.sockets[0].getsockname()[1])


async def relay(text: str, host: str, port: int, seed: str) -> None:
    """Relay until cancelled."""
    link = parse(text)
    if link is None:
        raise SystemExit(f"{text} needs no relay")
    loop = asyncio.get_running_loop()
    there, back = (Delayed(Direction(link, random.Random(f"{seed}/{way}")), loop) for way in ("there", "back"))
    echo = await asyncio.start_server(_echo, HOST, 0)
    front = await listen(there, back, host, port)
    probe = await listen(there, back, HOST, port_of(echo))
    sys.stdout.write(f"{port_of(front)} {port_of(probe)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
