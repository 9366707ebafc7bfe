"""The relay: for machines on which no namespace can be had. TCP connections are carried in user space, each chunk late.

    python -m loadtests.run.links.relay LINK HOST PORT SEED

Listens on two free ports of the loopback and prints them as one line: the first leads to HOST:PORT, the second to an
echo, for probing. What it cannot do: TCP stays on the loopback, so handshakes and acknowledgements cost nothing and no
packet can be lost; a chunk read at once leaves at once.
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

from loadtests.load.users.kernel_calls import HAS_TIMERFD, TimerFd
from loadtests.records.link_spec import parse
from loadtests.run.links.direction import Direction

HOST = "127.0.0.1"


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


class End(asyncio.Protocol):
    """One end of a carried connection; what it receives comes out at `other`."""

    def __init__(self, way: Delayed) -> None:
        self.way = way
        self.other: End | None = None
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []  # before the other end was there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; Nagle's delay would be one more."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def join(self, other: End) -> None:
        """Carry to `other` from now on."""
        self.other = other
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Send the chunk on its way."""
        if self.other is None:
            self._early.append(data)
            return
        other = self.other
        self.way.put(len(data), lambda: other.write(data))

    def write(self, data: bytes) -> None:
        """Give out what has arrived, unless this end is gone."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the other end learn of it as late as of everything else."""
        if self.other is not None:
            self.way.put(0, self.other.close)

    def close(self) -> None:
        """Close behind what was written."""
        if self.transport is not None:
            self.transport.close()

    def pause_writing(self) -> None:
        """A reader that is slow holds its sender back, here as on a real line."""
        self._reading(on=False)

    def resume_writing(self) -> None:
        """Take more."""
        self._reading(on=True)

    def _reading(self, *, on: bool) -> None:
        source = self.other.transport if self.other is not None else None
        if source is not None and not source.is_closing():
            (source.resume_reading if on else source.pause_reading)()


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def listen(there: Delayed, back: Delayed, host: str, port: int) -> asyncio.Server:
    """Accept on a free port and carry to `host`:`port`."""
    loop = asyncio.get_running_loop()
    joining: set[asyncio.Task[None]] = set()

    async def join(near: End) -> None:
        try:
            _, far = await loop.create_connection(lambda: End(back), host, port)
        except OSError:
            near.close()
            return
        far.join(near)
        near.join(far)

    def accept() -> End:
        near = End(there)
        task = loop.create_task(join(near))
        joining.add(task)
        task.add_done_callback(joining.discard)
        return near

    return await loop.create_server(accept, HOST, 0, backlog=4096)


def port_of(server: asyncio.Server) -> int:
    """Return the port that a server listens on."""
    port: int = server.sockets[0].getsockname()[1]
    return port


async def relay(text: str, host: str, port: int, seed: str) -> None:
    """Relay until cancelled."""
    link = parse(text)
    if link is None:
        raise SystemExit(f"{text} needs no relay")
    loop = asyncio.get_running_loop()
    there, back = (Delayed(Direction(link, random.Random(f"{seed}/{way}")), loop) for way in ("there", "back"))
    echo = await loop.create_server(_Echo, HOST, 0)
    front = await listen(there, back, host, port)
    probe = await listen(there, back, HOST, port_of(echo))
    sys.stdout.write(f"{port_of(front)} {port_of(probe)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
