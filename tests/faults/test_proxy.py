"""The proxy breaks what a test asks it to break, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import HOST, Chaos, Proxy

SENT = bytes(range(256)) * 400


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def receive_all(port: int) -> bytes:
    """What comes back of SENT until it is all there or the connection is reset."""
    reader, writer = await asyncio.open_connection(HOST, port)
    got = b""
    try:
        writer.write(SENT)
        async with asyncio.timeout(10):
            while len(got) < len(SENT):
                if not (data := await reader.read(65_536)):
                    break
                got += data
    finally:
        writer.close()
    return got


async def test_slices_change_no_byte() -> None:
    async with echo() as port, Proxy(port, Chaos(slice_share=1.0), random.Random(1)).running() as proxy:
        assert await receive_all(proxy.port) == SENT
        assert proxy.resets == 0


async def test_reset_comes_after_so_many_bytes() -> None:
    chaos = Chaos(reset_after_bytes=(50_000, 50_000))
    async with echo() as port, Proxy(port, chaos, random.Random(1)).running() as proxy:
        with pytest.raises(ConnectionResetError):
            await receive_all(proxy.port)
        assert proxy.resets == 1


async def test_nothing_passes_while_stalled() -> None:
    chaos = Chaos(stalled=True)
    async with echo() as port, Proxy(port, chaos, random.Random(1)).running() as proxy:
        receiving = asyncio.create_task(receive_all(proxy.port))
        done, _ = await asyncio.wait({receiving}, timeout=0.2)
        assert not done
        chaos.stalled = False
        assert await receiving == SENT


async def test_reset_all_ends_what_stands() -> None:
    async with echo() as port, Proxy(port, Chaos(), random.Random(1)).running() as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        writer.write(b"hello")
        assert await reader.read(5) == b"hello"
        proxy.reset_all()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
