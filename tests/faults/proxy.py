"""A TCP proxy that slices what it carries, stalls it, and resets connections at any byte."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.faults.waiting import until

HOST = "127.0.0.1"
_READ_BYTES = 65_536
_CLOSE_S = 5.0
_STALL_S = 60.0


@dataclass(slots=True)
class Chaos:
    """What the proxy does; may be changed while it runs.

    A connection is reset after a random number of bytes from `reset_after_bytes`, counted in both directions; chunks
    from the server are cut at a random place in `slice_share` of all cases; nothing is carried while `stalled`; every
    byte takes `delay_s` to cross, either way.
    """

    reset_after_bytes: tuple[int, int] | None = None
    slice_share: float = 0.0
    stalled: bool = False
    delay_s: float = 0.0


class Proxy:
    """Listens on a free port and carries to `target_port`, with `chaos`."""

    def __init__(self, target_port: int, chaos: Chaos, rng: random.Random) -> None:
        self.target_port = target_port
        self.chaos = chaos
        self.port = 0
        self.resets = 0
        self._rng = rng
        self._pairs: set[_Pair] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for pair in list(self._pairs):
                pair.reset()
            await until(lambda: not self._pairs, _CLOSE_S)

    def reset_all(self) -> None:
        """Reset every connection now."""
        for pair in list(self._pairs):
            pair.reset()
            self.resets += 1

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            reset(writer)
            return
        bounds = self.chaos.reset_after_bytes
        pair = _Pair((reader, writer), onward, self._rng.randint(*bounds) if bounds is not None else None)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(pair, reader, onward[1]))
                tasks.create_task(self._carry(pair, onward[0], writer))
        except* OSError:
            pass
        finally:
            pair.reset()
            self._pairs.discard(pair)

    async def _carry(self, pair: _Pair, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_READ_BYTES):
            if self.chaos.stalled:
                await until(lambda: not self.chaos.stalled, _STALL_S)
            if pair.left_bytes is not None:
                if len(data) >= pair.left_bytes:
                    sink.write(data[: pair.left_bytes])
                    with suppress(TimeoutError):
                        await asyncio.wait_for(sink.drain(), 0.1)
                    self.resets += 1
                    raise ConnectionResetError
                pair.left_bytes -= len(data)
            if len(data) > 1 and self._rng.random() < self.chaos.slice_share:
                cut = self._rng.randrange(1, len(data))
                sink.write(data[:cut])
                await asyncio.sleep(0.001)
                data = data[cut:]
            if self.chaos.delay_s:
                asyncio.get_running_loop().call_later(self.chaos.delay_s, sink.write, data)
                continue
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError  # one side ended: so does the other


class _Pair:
    def __init__(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        left_bytes: int | None,
    ) -> None:
        self._writers = (near[1], far[1])
        self.left_bytes = left_bytes

    def reset(self) -> None:
        for writer in self._writers:
            reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST: what was not delivered yet is lost."""
    if not writer.transport.is_closing():
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
