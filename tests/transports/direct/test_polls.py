"""Polls that come again on one connection: which take the short way past the parser, which do not, and that the
answers are the same either way. By sockets, over both event loops, with and without polls that are read together.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from tests.transports.served import WAITS_S, Client, Run, Server, serving, until
from transports.direct.epoll_reader import MANY


@pytest.fixture(params=["uvloop", "asyncio", "read by transports"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    if request.param == "read by transports":  # as under TLS, and where there is no epoll
        monkeypatch.setattr(sys, "platform", "darwin")
    elif sys.platform != "linux":
        pytest.skip("epoll is there on Linux only")
    else:
        monkeypatch.setattr("transports.direct.polls.MANY", 0)  # each is one
    return asyncio.run if request.param == "asyncio" else uvloop.run


@pytest.mark.parametrize("query", ["wait=25&since={}", "since={}&wait=25"])
def test_the_first_poll_with_a_position_is_known_by_the_one_that_asked_for_it(run: Run, query: str) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            first = await alice.ask(alice.poll("wait=25"))
            assert (first.status, first.events, server.armed) == (200, [], [True])
            for content in ("hello", "and again"):
                await alice.wait(alice.poll(query))
                assert server.armed == [True]
                assert len(server.state.tasks) == 0
                await server.say(content)
                assert (await alice.answer()).said == [content]

    run(main())


def test_without_a_query_it_is_known_too(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            head, _, rest = alice.poll().partition(b"?wait=25&since=")
            await alice.ask(head + rest)
            await alice.wait(alice.poll("since={}"))
            assert server.armed == [True]

    run(main())


def test_all_receive_each_message_once_and_come_back_together(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            await many_receive(server, 20)
            assert server.read_together() == (20 if sys.platform == "linux" else 0)

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="epoll is there on Linux only")
@pytest.mark.parametrize("size", [MANY - 1, MANY])
def test_those_who_were_answered_with_many_are_read_with_many(size: int) -> None:
    async def main() -> None:
        async with serving() as server:
            await many_receive(server, size)
            assert server.read_together() == (0 if size < MANY else size)

    uvloop.run(main())


async def many_receive(server: Server, size: int) -> None:
    clients = [await server.client() for _ in range(size)]
    for client in clients:
        await client.begin()
    for number in range(5):
        await server.say(str(number))
        for client in clients:
            assert (await client.answer()).said == [str(number)]
        for client in clients:
            client.writer.write(client.poll())
        await until(lambda: server.held == size)
    assert all(server.armed)


def another_header(client: Client) -> list[bytes]:
    return [client.poll("wait=25&since={}", "X-Other: 1")]


def another_wait(client: Client) -> list[bytes]:
    return [client.poll("wait=24&since={}")]


def two_segments(client: Client) -> list[bytes]:
    request = client.poll()
    return [request[:40], request[40:]]


def in_the_position(client: Client) -> list[bytes]:
    request = client.poll()
    place = request.index(b"since=") + 10
    return [request[:place], request[place:]]


@pytest.mark.parametrize("case", [another_header, another_wait, two_segments, in_the_position])
def test_what_is_not_the_same_is_parsed_and_answered_alike(run: Run, case: Callable[[Client], list[bytes]]) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.begin()
            await server.say("1")
            assert (await alice.answer()).said == ["1"]
            for part in case(alice):
                alice.writer.write(part)
                await asyncio.sleep(0.02)
            await until(lambda: server.held == 1)
            await server.say("2")
            assert (await alice.answer()).said == ["2"]
            await alice.wait(alice.poll())
            await server.say("3")
            assert (await alice.answer()).said == ["3"]

    run(main())


@pytest.mark.parametrize("first", [True, False])
def test_a_position_that_is_none_is_refused(run: Run, first: bool) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.ask(alice.poll("wait=25"))
            if not first:
                await server.say("1")
                await alice.ask(alice.poll())
            alice.position = "abcdefgh:x"
            assert (await alice.ask(alice.poll())).status == 400
            alice.position = "Zz9Zz9Zz9:1"
            answer = await alice.ask(alice.poll())
            assert [event["type"] for event in answer.events] == ["resync"]

    run(main())


def test_a_position_given_twice_is_refused_behind_a_first_poll(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.ask(alice.poll("wait=25"))
            assert (await alice.ask(alice.poll("since={0}&wait=25&since={0}"))).status == 400

    run(main())


def test_polls_with_a_body_of_their_own_are_parsed(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            query = "wait=25"
            for _ in range(4):
                alice.writer.write(alice.poll(query, "Content-Length: 2"))
                await asyncio.sleep(0.02)
                alice.writer.write(b"{}")
                if alice.position:
                    await until(lambda: server.held == 1)
                    await server.say("1")
                    assert (await alice.answer()).said == ["1"]
                else:
                    assert (await alice.answer()).status == 200
                query = "wait=25&since={}"

    run(main())


def test_another_user_on_the_connection_is_itself(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.ask(alice.poll("wait=25"))
            await alice.ask(alice.poll("wait=25&since={}", user="mallory"))
            _, members = await server.hub.members("lobby")
            assert sorted(member.user_id for member in members) == ["alice", "mallory"]
            assert (await alice.ask(alice.poll().replace(b"Bearer ", b"Bearer x"))).status == 401

    run(main())


def test_pipelined_polls_are_answered_in_order(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.begin()
            held = alice.poll()
            alice.writer.write(held + held)  # behind the one that waits
            await asyncio.sleep(0.05)
            await server.say("1")
            assert [(await alice.answer()).said for _ in range(3)] == [["1"]] * 3
            alice.writer.write(alice.poll() + alice.poll())
            await until(lambda: server.held == 1)
            await server.say("2")
            assert [(await alice.answer()).said for _ in range(2)] == [["2"]] * 2
            await alice.wait(alice.poll())
            await server.say("3")
            assert (await alice.answer()).said == ["3"]

    run(main())


def test_another_request_on_the_connection_is_served_behind_the_answer(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            await alice.begin()
            at = alice.position
            alice.writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.05)
            await server.say("1")
            assert (await alice.answer()).said == ["1"]
            assert "application/json" in (await alice.answer()).head
            alice.position = at
            assert (await alice.ask(alice.poll())).said == ["1"], "nothing was consumed"

    run(main())


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
            if how == "half":
                alice.writer.write_eof()
            elif how == "abort":
                alice.writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7)
                )
                alice.writer.transport.abort()
            else:
                alice.writer.close()
            await until(lambda: server.held == 0 and not server.state.connections)

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
            alice = await server.client()
            await alice.ask(alice.poll("wait=25"))
            await alice.wait(alice.poll("wait=25&since={}", "Connection: close"))
            await server.say("1")
            answer = await alice.answer()
            assert answer.said == ["1"]
            assert "\r\nconnection: close\r\n" in answer.head
            assert await alice.reader.read() == b""

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
