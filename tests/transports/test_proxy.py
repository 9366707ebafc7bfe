"""The built-in proxy: each knob does what it says to what passes, and nothing else does."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from transports import proxy
from transports.proxy import Knobs
from transports.proxy.hop import Hop

WITHIN_S = 5.0
BRIEF_S = 0.2  # what has not come by then is held
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-transform\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
ASK = b"GET /events HTTP/1.1\r\nHost: lab.example\r\nAccept-Encoding: gzip\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: lab.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
Serve = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Between:
    """A client of a proxy, and what the server behind it was asked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]) -> None:
        self.reader, self.writer, self.asked = reader, writer, asked

    async def until(self, wanted: bytes) -> bytes:
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.readuntil(wanted)

    async def nothing_comes(self) -> bool:
        try:
            async with asyncio.timeout(BRIEF_S):
                await self.reader.read(1)
                return False
        except TimeoutError:
            return True

    async def rest(self) -> bytes:
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.read()


@asynccontextmanager
async def between(knobs: Knobs, serve: Serve, ask: bytes = ASK) -> AsyncIterator[Between]:
    asked: list[bytes] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head)
            await serve(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, proxy.HOST, 0)
    hop = Hop(server.sockets[0].getsockname()[1], knobs)
    front = await asyncio.get_running_loop().create_server(hop.protocol, proxy.HOST, 0)
    reader, writer = await asyncio.open_connection(*front.sockets[0].getsockname())
    try:
        writer.write(ask)
        yield Between(reader, writer, asked)
    finally:
        writer.close()
        hop.cut()
        front.close()
        server.close()


async def one_event(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An endless stream's first event; the stream ends when the proxy is done with it."""
    writer.write(STREAM + b"a\r\ndata: one\n\r\n")
    await reader.read()


async def one_answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def silence(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def switched(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    status = b"101 Switching Protocols\r\n" if b"Upgrade: websocket" in head else b"426 Upgrade Required\r\n"
    writer.write(b"HTTP/1.1 " + status + b"Content-Length: 0\r\n\r\n")
    while data := await reader.read(100):
        writer.write(data)


@pytest.mark.parametrize("knobs", [Knobs(), Knobs(gzip=True, obey_no_transform=True), Knobs(rewrite_host=True)])
async def test_an_event_passes_while_the_stream_goes_on(knobs: Knobs) -> None:
    async with between(knobs, one_event) as wire:
        assert b"data: one\n" in await wire.until(b"one\n")


@pytest.mark.parametrize("knobs", [Knobs(hold_bytes=11), Knobs(gzip=True)])
async def test_an_event_is_held_until_there_is_more(knobs: Knobs) -> None:
    async with between(knobs, one_event) as wire:
        if not knobs.gzip:
            await wire.until(b"\r\n\r\n")
        assert await wire.nothing_comes()


async def test_bytes_are_held_until_there_are_so_many() -> None:
    async with between(Knobs(hold_bytes=10), one_event) as wire:
        assert b"data: one\n" in await wire.until(b"one\n")


async def test_what_was_compressed_is_there_at_the_end() -> None:
    async def ended(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + b"a\r\ndata: one\n\r\n0\r\n\r\n")

    async with between(Knobs(gzip=True), ended, ASK.replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\n")) as wire:
        head, _, body = (await wire.rest()).partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == b"data: one\n"


async def test_an_answer_with_a_length_is_never_held_and_the_next_request_follows() -> None:
    async with between(Knobs(hold_bytes=65_536, gzip=True), one_answer) as wire:
        assert (await wire.until(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
        wire.writer.write(ASK)
        await wire.until(b"ok")
        assert len(wire.asked) == 2


async def test_a_silent_server_is_a_504_and_a_silent_stream_is_cut() -> None:
    async with between(Knobs(idle_s=BRIEF_S), silence) as wire:
        assert b"HTTP/1.1 504 " in await wire.rest()
    async with between(Knobs(idle_s=BRIEF_S), one_event) as wire:
        assert not (await wire.rest()).endswith(b"0\r\n\r\n")  # cut, not ended


async def test_a_silent_tunnel_is_cut_and_one_that_talks_is_not() -> None:
    async with between(Knobs(idle_s=2 * BRIEF_S), switched, UPGRADE) as wire:
        await wire.until(b"\r\n\r\n")
        for _ in range(4):
            wire.writer.write(b"ping")
            await wire.until(b"ping")
            await asyncio.sleep(BRIEF_S)
        assert await wire.rest() == b""


@pytest.mark.parametrize("knobs", [Knobs(drop_upgrade=True), Knobs(http10=True)])
async def test_an_upgrade_that_is_dropped_is_refused_by_the_server(knobs: Knobs) -> None:
    async with between(knobs, switched, UPGRADE) as wire:
        assert b"426" in await wire.until(b"\r\n\r\n")
        assert b"Upgrade" not in wire.asked[0]


async def test_the_request_says_what_the_knobs_say() -> None:
    for knobs, wanted in (
        (Knobs(), b"Host: lab.example\r\n"),
        (Knobs(rewrite_host=True), b"Host: 127.0.0.1:"),
        (Knobs(http10=True), b"GET /events HTTP/1.0\r\n"),
        (Knobs(forwarded=True), b"X-Forwarded-Proto: http\r\n"),
    ):
        async with between(knobs, one_answer) as wire:
            await wire.until(b"ok")
            assert wanted in wire.asked[0]


async def test_a_client_that_goes_ends_the_stream_behind() -> None:
    ended = asyncio.Event()

    async def watched(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_event(head, reader, writer)
        ended.set()

    async with between(Knobs(), watched) as wire:
        await wire.until(b"one\n")
        wire.writer.close()
        async with asyncio.timeout(WITHIN_S):
            await ended.wait()


async def test_nobody_behind_is_a_502_and_no_http_is_no_answer() -> None:
    async with between(Knobs(), one_answer, b"neither\r\n\r\n") as wire:
        wire.writer.write_eof()
        assert await wire.rest() == b""
    front = await asyncio.get_running_loop().create_server(Hop(1, Knobs()).protocol, proxy.HOST, 0)
    reader, writer = await asyncio.open_connection(*front.sockets[0].getsockname())
    writer.write(ASK)
    async with asyncio.timeout(WITHIN_S):
        assert b"HTTP/1.1 502 " in await reader.read()
    writer.close()
    front.close()


def test_a_command_line_is_read_as_it_was_written() -> None:
    parser = argparse.ArgumentParser()
    proxy.add_options(parser)
    knobs = Knobs(hold_bytes=4096, gzip=True, idle_s=2.5, tls=True)
    assert proxy.knobs_of(parser.parse_args(["--upstream", "1", *proxy.arguments_of(knobs)])) == knobs
    cured = parser.parse_args(["--upstream", "1", "--gzip", "--hold-bytes", "9", "--no-gzip", "--hold-bytes", "0"])
    assert proxy.knobs_of(cured) == Knobs()


@pytest.mark.parametrize("wrong", [["--hold-bytes", "-1"], ["--idle-s", "-1"], ["--upstream", "70000"]])
def test_a_wrong_command_line_is_one_sentence_with_what_is_allowed(wrong: list[str]) -> None:
    command = [sys.executable, "-m", "transports", "proxy", "--upstream", "1", *wrong]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "allowed" in done.stderr.splitlines()[-1]


def test_it_says_where_it_listens_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "transports", "proxy", "--upstream", "1", "--tls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("rtlab proxy listens on https://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
