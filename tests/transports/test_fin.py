"""The end of a client's side while its answer takes longer, on both event loops and with both sinks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transports.served import Client, Run, Server, publisher, serving, until


class Slow:
    """Holds what the backplane is asked until it may be answered."""

    def __init__(self, server: Server, method: str) -> None:
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self._call = getattr(server.hub.backplane, method)
        setattr(server.hub.backplane, method, self)

    async def __call__(self, *arguments: Any) -> Any:
        self.asked.set()
        await self.may_answer.wait()
        return await self._call(*arguments)


async def last_answer(server: Server, client: Client, slow: Slow, said: bytes) -> str:
    """What comes, up to the end, when our side ends while the answer is under way."""
    client.writer.write(said)
    await slow.asked.wait()
    client.writer.write_eof()
    await until(lambda: all(each._last_said for each in server.protocols))
    slow.may_answer.set()
    return (await client.reader.read()).decode()


@pytest.mark.parametrize("fanout", ["direct", "portable"])
def test_a_post_whose_storing_takes_longer_is_answered(run: Run, fanout: str) -> None:
    async def main() -> None:
        async with serving(fanout=fanout) as server:
            client = await server.client()
            answer = await last_answer(server, client, Slow(server, "publish"), client.post("last"))
            assert answer.startswith("HTTP/1.1 202 ")
            assert "\r\nconnection: close\r\n" in answer
            assert await server.messages() == ["last"]

    run(main())


def test_a_post_by_the_short_way_is_answered(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            client = await publisher(server)
            answer = await last_answer(server, client, Slow(server, "publish"), client.post("last"))
            assert answer.startswith("HTTP/1.1 202 ")
            assert "\r\nconnection: close\r\n" in answer

    run(main())


def test_a_state_is_answered(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            client = await server.client()
            request = client.post("").replace(b"POST /rooms/lobby/messages", b"GET /rooms/lobby")
            answer = await last_answer(server, client, Slow(server, "members"), request)
            assert '"members":' in answer

    run(main())


@pytest.mark.parametrize("fanout", ["direct", "portable"])
def test_a_poll_that_waits_ends_and_is_answered_nothing(run: Run, fanout: str) -> None:
    async def main() -> None:
        async with serving(fanout=fanout) as server:
            client = await server.client()
            await client.begin()
            client.writer.write_eof()
            assert await client.reader.read() == b""
            await until(lambda: server.held == 0)

    run(main())


@pytest.mark.parametrize("cut", [20, -3])
def test_a_request_that_did_not_come_whole_ends_with_its_connection(run: Run, cut: int) -> None:
    async def main() -> None:
        async with serving() as server:
            client = await server.client()
            client.writer.write(client.post("never")[:cut])
            client.writer.write_eof()
            await client.reader.read()
            await until(lambda: not server.protocols)
            assert await server.messages() == []

    run(main())
