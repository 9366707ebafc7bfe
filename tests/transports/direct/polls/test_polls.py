"""Polls that come again on one connection: which take the short way past the parser, which do not, and that the
answers are the same either way. By sockets, over both event loops, with and without polls that are read together.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest
import uvloop

from tests.transports.served import Client, Run, Server, poller, serving, until
from transports.direct.epoll_reader import MANY


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
            alice = await poller(server)
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
            alice = await poller(server)
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
            alice = await poller(server)
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
