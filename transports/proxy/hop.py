"""The proxy's connections: requests one after the other upstream, their answers back, by the knobs."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Final, TypeVar

from transports.proxy import HOST, Knobs
from transports.proxy.messages import HOP_BY_HOP, MAX_HEAD_BYTES, BadMessage, Head, body, chunk, read_head

T = TypeVar("T")

_READ_BYTES: Final = 65_536
_GZIP_WINDOW: Final = 31
_GZIP_HEAD_BYTES: Final = 10  # they say nothing yet
_OVER: Final = (OSError, BadMessage, asyncio.IncompleteReadError)


class _Client(asyncio.StreamReader):
    """A client's bytes, and an event for its end: while an answer goes back nobody reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=MAX_HEAD_BYTES, loop=loop)
        self.ended = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.ended.set()


class Hop:
    """All connections of one proxy."""

    def __init__(self, upstream_port: int, knobs: Knobs) -> None:
        self._upstream_port = upstream_port
        self._knobs = knobs
        self._carried: set[asyncio.Task[None]] = set()

    def protocol(self) -> asyncio.StreamReaderProtocol:
        """What asyncio makes for each client."""
        loop = asyncio.get_running_loop()
        client = _Client(loop)

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._carry(client, writer))
            self._carried.add(task)
            task.add_done_callback(self._carried.discard)

        return asyncio.StreamReaderProtocol(client, carry, loop=loop)

    def cut(self) -> None:
        """End every connection."""
        for task in tuple(self._carried):
            task.cancel()

    async def _carry(self, client: _Client, to_client: asyncio.StreamWriter) -> None:
        try:
            with suppress(*_OVER, asyncio.CancelledError):
                while (head := await read_head(client)) is not None and await self._exchange(head, client, to_client):
                    pass
        finally:
            to_client.close()

    async def _exchange(self, head: Head, client: _Client, to_client: asyncio.StreamWriter) -> bool:
        """Carry one request and its answer; whether another may follow."""
        try:
            upstream, to_upstream = await asyncio.open_connection(HOST, self._upstream_port, limit=MAX_HEAD_BYTES)
        except OSError:
            to_client.write(_answer(502, "the server is not there"))
            return False
        try:
            upgrades = head.upgrades and not self._knobs.drop_upgrade and not self._knobs.http10
            to_upstream.write(self._request(head, to_client, upgrades=upgrades).encoded())
            async for data in body(client, head, to_the_end=False):
                to_upstream.write(chunk(data) if head.chunked and not self._knobs.http10 else data)
                await to_upstream.drain()
            if head.chunked and not self._knobs.http10:
                to_upstream.write(chunk(b""))
            answering = asyncio.ensure_future(self._answer(head, upstream, to_client))
            if await _unless(client.ended, answering):
                return False
            status, goes_on = answering.result()
            if status == 101:
                await self._tunnel(client, to_client, upstream, to_upstream)
            return goes_on and status != 101
        finally:
            to_upstream.close()

    def _request(self, head: Head, to_client: asyncio.StreamWriter, *, upgrades: bool) -> Head:
        knobs = self._knobs
        if knobs.rewrite_host or not head.get(b"host"):
            head = head.adding(b"Host", b"%b:%d" % (HOST.encode(), self._upstream_port))
        if knobs.forwarded:
            head = head.adding(b"X-Forwarded-Proto", b"https" if knobs.tls else b"http")
            head = head.adding(b"X-Forwarded-For", str(to_client.get_extra_info("peername")[0]).encode())
        if upgrades:
            return head
        chunked = head.chunked and not knobs.http10
        head = head.without(*HOP_BY_HOP).adding(b"Connection", b"close")
        if knobs.http10:
            head = head.starting(head.first.replace(b"HTTP/1.1", b"HTTP/1.0"))
        return head.adding(b"Transfer-Encoding", b"chunked") if chunked else head

    async def _answer(
        self, request: Head, upstream: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> tuple[int, bool]:
        """Pass an answer on; its status, and whether the client's connection can take another."""
        try:
            head = await self._in_time(read_head(upstream))
            while head is not None and 100 <= head.status < 200 and head.status != 101:
                to_client.write(head.encoded())
                head = await self._in_time(read_head(upstream))
        except TimeoutError:
            to_client.write(_answer(504, "the server was silent"))
            return 504, False
        if head is None:
            to_client.write(_answer(502, "the server ended the connection"))
            return 502, False
        if head.status == 101:
            to_client.write(head.encoded())
            return 101, False
        return head.status, await self._pass_on(request, head, upstream, to_client)

    async def _pass_on(
        self, request: Head, head: Head, upstream: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> bool:
        empty = request.first.startswith(b"HEAD ") or head.status in (204, 304)
        keeps = b"close" not in request.get(b"connection").lower() and b"HTTP/1.1" in request.first
        framed = empty or bool(head.get(b"content-length"))
        squeezed = self._squeezes(request, head) and not framed
        chunks = not framed and b"HTTP/1.1" in request.first
        told = head.without(*HOP_BY_HOP).starting(b"HTTP/1.1 " + head.first[9:])
        if squeezed:
            told = told.adding(b"Content-Encoding", b"gzip")
        if chunks:
            told = told.adding(b"Transfer-Encoding", b"chunked")
        if not keeps or (not framed and not chunks):
            told, keeps = told.adding(b"Connection", b"close"), False
        waiting = told.encoded()
        if not squeezed:  # a compressing box has nothing to say before its first output
            to_client.write(waiting)
            waiting = b""
        if not empty:
            async for data in self._filtered(self._timed(body(upstream, head, to_the_end=True)), squeezed=squeezed):
                to_client.write(waiting + (chunk(data) if chunks else data))
                waiting = b""
                await to_client.drain()
        to_client.write(chunk(b"") if chunks else b"")
        return keeps

    def _squeezes(self, request: Head, head: Head) -> bool:
        forbidden = b"no-transform" in head.get(b"cache-control").lower() and self._knobs.obey_no_transform
        return self._knobs.gzip and b"gzip" in request.get(b"accept-encoding") and not forbidden

    async def _filtered(self, source: AsyncIterator[bytes], *, squeezed: bool) -> AsyncIterator[bytes]:
        held, packer = b"", zlib.compressobj(wbits=_GZIP_WINDOW) if squeezed else None
        least = max(self._knobs.hold_bytes, _GZIP_HEAD_BYTES + 1 if squeezed else 1)
        async for data in source:
            held += data if packer is None else packer.compress(data)
            if len(held) >= least:
                yield held
                held = b""
        held += b"" if packer is None else packer.flush()
        if held:
            yield held

    async def _timed(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same pieces; BadMessage, which cuts, where one takes too long."""
        while True:
            try:
                data = await self._in_time(anext(source, None))
            except TimeoutError:
                raise BadMessage("the server was silent") from None
            if data is None:
                return
            yield data

    async def _in_time(self, waiting: Awaitable[T]) -> T:
        return await asyncio.wait_for(waiting, self._knobs.idle_s or None)

    async def _tunnel(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        upstream: asyncio.StreamReader,
        to_upstream: asyncio.StreamWriter,
    ) -> None:
        """Carry bytes both ways until one side ends, or both are silent for too long."""
        loop = asyncio.get_running_loop()
        last_s = loop.time()

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal last_s
            while data := await reader.read(_READ_BYTES):
                last_s = loop.time()
                writer.write(data)
                await writer.drain()

        pumps = [asyncio.ensure_future(pump(client, to_upstream)), asyncio.ensure_future(pump(upstream, to_client))]
        try:
            while not any(each.done() for each in pumps):
                left_s = last_s + self._knobs.idle_s - loop.time() if self._knobs.idle_s else None
                if left_s is not None and left_s <= 0:
                    return
                await asyncio.wait(pumps, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _dropped(*pumps)


async def _unless(event: asyncio.Event, work: asyncio.Task[tuple[int, bool]]) -> bool:
    """Wait for the work; whether the event came first, and the work was dropped."""
    watching = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((work, watching), return_when=asyncio.FIRST_COMPLETED)
        return not work.done()
    finally:
        await _dropped(watching, *(() if work.done() else (work,)))


async def _dropped(*tasks: asyncio.Task[None] | asyncio.Task[bool] | asyncio.Task[tuple[int, bool]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _answer(status: int, why: str) -> bytes:
    said = why.encode()
    reason = {502: b"Bad Gateway", 504: b"Gateway Timeout"}[status]
    head = b"HTTP/1.1 %d %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, reason, len(said)) + said
