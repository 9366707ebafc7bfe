"""Polls that come again on one connection when something ends: the client, its connection, or the server."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from tests.transports.access import token
from tests.transports.served import WAITS_S, Run, check_last, go_behind_another_request, poller, serving, until
from transports.direct.polls import DirectPoll


@pytest.mark.parametrize("how", ["close", "abort", "half"])
@pytest.mark.parametrize("waits", [True, False])
def test_a_poller_that_goes_is_missed(run: Run, how: str, waits: bool) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.begin()
            if not waits:
                await server.say("1")
                await alice.answer()
            assert server.held == int(waits)
            alice.go(how)
            await until(lambda: server.held == 0 and not server.state.connections)

    run(main())


def test_a_poller_that_goes_is_missed_behind_another_request_too(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await poller(server)
            await alice.wait(alice.poll())
            await go_behind_another_request(alice)

    run(main())


@pytest.mark.parametrize("query", ["wait=25", "wait=25&since={}"])
@pytest.mark.parametrize("turns", [0, 3], ids=["is going", "is gone"])
def test_a_poller_that_goes_while_it_is_admitted_is_counted_out_once(
    run: Run, query: str, turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving() as server:
            join = server.hub.join

            async def join_and_lose(*arguments: Any) -> None:
                await join(*arguments)
                for protocol in list(server.state.connections):
                    protocol.transport.abort()
                for _ in range(turns):
                    await asyncio.sleep(0)

            server.hub.join = join_and_lose
            alice = await server.client()
            alice.position = str((await server.hub.members("lobby"))[0])
            alice.writer.write(alice.poll(query))
            assert await alice.reader.read() == b""
            await until(lambda: not server.state.connections and not server.state.tasks)
            assert server.held == 0
            assert not caplog.records

    run(main())


def test_a_connection_that_is_to_be_closed_is_closed_behind_the_answer(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await poller(server)
            await alice.wait(alice.poll("wait=25&since={}", "Connection: close"))
            await check_last(server, alice)

    run(main())


def test_a_server_that_drains_tells_who_waits_and_who_comes_back_and_closes_the_rest(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            waiting, back, gone, once = [await server.client() for _ in range(4)]
            for each in (back, gone):
                await each.begin()
            await server.say("1")
            for each in (back, gone):
                await each.answer()
            await waiting.begin()
            await once.ask(once.poll("wait=25"))
            server.hub.drain()
            for protocol in list(server.state.connections):
                protocol.shutdown()
            for answer in (await waiting.answer(), await back.ask(back.poll())):
                assert answer.status == 503
                assert "\r\nretry-after: " in answer.head
            assert "\r\nconnection: close\r\n" in answer.head
            for client in (waiting, back, gone, once):
                async with asyncio.timeout(WAITS_S):
                    assert await client.reader.read() == b""

    run(main())


@pytest.mark.parametrize("how", ["drains", "is left"])
def test_who_is_answered_as_it_ends_is_answered_once_and_counted_out_once(run: Run, how: str) -> None:
    async def main() -> None:
        async with serving() as server:
            clients = [await server.client() for _ in range(2)]
            for each in clients:
                await each.begin()
            await server.say("1")  # waits for the end of the turn
            if how == "drains":
                server.hub.drain()
            else:
                await server.hub.leave(server.hub.admit(token(), "lobby"), "lobby")
            for each in clients:
                assert (await each.answer()).said == ["1"]
            assert server.held == 0
            assert server.hub.stats.rejected == {}
            for each in clients:
                answer = await each.ask(each.poll("wait=0&since={}"))
                assert answer.status == (503 if how == "drains" else 200)

    run(main())


def test_a_poll_whose_connection_asks_for_something_else_is_freed_at_once(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.begin()
            await server.say("1")
            await alice.answer()
            gc.collect()  # of what came before
            gc.disable()
            try:
                alice.writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                await alice.answer()
                assert not [each for each in gc.get_objects() if isinstance(each, DirectPoll)]
            finally:
                gc.enable()

    run(main())
