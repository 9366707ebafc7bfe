"""POSTs that come again on one connection: which take the short way past parser and app, which do not, and that what is
said and answered is the same either way. By sockets, over both event loops.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from core.auth import sign
from tests.transports.access import SECRET, token
from tests.transports.served import WAITS_S, Client, Run, publisher, serving
from transports.direct.protocols import DirectHttpProtocol


def test_messages_of_any_length_take_the_short_way_and_are_answered_in_turn(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            ids = []
            for content in ("a", "b" * 500, "c" * 4000, "<i>"):
                answer = await alice.ask(alice.post(content))
                assert answer.status == 202
                assert "\r\ncache-control: no-store\r\n" in answer.head
                assert server.armed == [True]
                ids.append(answer.body["id"])
            assert len(set(ids)) == 4
            assert await server.messages() == ["first", "a", "b" * 500, "c" * 4000, "&lt;i&gt;"]
            assert not server.state.tasks

    run(main())


def test_the_head_is_the_same_as_by_the_full_way(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            heads = [(await alice.ask(alice.post("x"))).head for _ in range(3)]
            assert server.armed == [True]
            assert set(heads) == {heads[0]}

    run(main())


def test_a_message_to_another_room_is_that_rooms_if_the_token_is_good_there(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            good = sign(SECRET, "alice", ["lobby", "attic"], time.time() + 3600.0)
            requests = [
                alice.post(room).replace(token().encode(), good.encode()).replace(b"/lobby/", f"/{room}/".encode())
                for room in ("lobby", "attic", "cellar", "a%74tic", "x" * 65, "attic/..", "lobby")
            ]
            answers = [await alice.ask(request) for request in requests]
            assert [answer.status for answer in answers] == [202, 202, 403, 202, 404, 404, 202]
            assert await server.messages() == ["lobby", "lobby"]
            assert await server.messages("attic") == ["attic", "a%74tic"]

    run(main())


def another_header(client: Client) -> list[bytes]:
    return [client.post("x", "X-Other: 1")]


def body_apart(client: Client) -> list[bytes]:
    head, end, body = client.post("x").partition(b"\r\n\r\n")
    return [head + end, body]


def head_in_two(client: Client) -> list[bytes]:
    return [client.post("x")[:30], client.post("x")[30:]]


def length_in_two(client: Client) -> list[bytes]:
    request = client.post("x" * 200)
    place = request.index(b"Content-Length: ") + 17
    return [request[:place], request[place:]]


@pytest.mark.parametrize("case", [another_header, body_apart, head_in_two, length_in_two])
def test_what_is_not_the_same_is_parsed_and_answered_alike(run: Run, case: Callable[[Client], list[bytes]]) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            for part in case(alice):
                alice.writer.write(part)
                await asyncio.sleep(0.02)
            assert (await alice.answer()).status == 202
            assert (await alice.ask(alice.post("last"))).status == 202
            said = await server.messages()
            assert (said[0], len(said), said[2]) == ("first", 3, "last")

    run(main())


def with_body(client: Client, body: bytes) -> bytes:
    head, end, empty = client.post("").partition(b"\r\n\r\n")
    return head.replace(b"Length: %d" % len(empty), b"Length: %d" % len(body)) + end + body


def test_a_body_that_looks_like_a_request_is_a_body(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await server.client()
            inner = alice.post("inner").replace(b"lobby", b"other")
            outer = json.dumps({"content": "x", "ref": "y"}).encode()
            head = (
                alice.post("")
                .partition(b"\r\n\r\n")[0]
                .replace(b"Content-Length: 14", b"Content-Length: %d" % len(inner))
            )
            alice.writer.write(head + b"\r\n\r\n")
            await asyncio.sleep(0.02)
            alice.writer.write(inner)
            assert (await alice.answer()).status == 400
            alice.writer.write(head.replace(b"%d" % len(inner), b"%d" % len(outer)) + b"\r\n\r\n" + outer)
            assert (await alice.answer()).status == 202
            assert await server.messages() == ["x"]

    run(main())


@pytest.mark.parametrize("together", [True, False])
def test_pipelined_messages_are_published_in_order_the_short_way(
    run: Run, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            parsed: list[bytes] = []
            monkeypatch.setattr(DirectHttpProtocol, "data_received", lambda _, data: parsed.append(data))
            requests = [alice.post(str(number)) for number in range(20)]
            for data in [b"".join(requests)] if together else requests:
                alice.writer.write(data)
                await asyncio.sleep(0)
            assert [(await alice.answer()).status for _ in requests] == [202] * 20
            assert await server.messages() == ["first", *map(str, range(20))]
            assert (parsed, server.armed) == ([], [True])

    run(main())


def test_behind_whole_messages_one_that_is_not_all_there_is_parsed(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            whole, late = alice.post("whole"), alice.post("late")
            alice.writer.write(whole + whole + late[:-3])
            assert [(await alice.answer()).status for _ in range(2)] == [202, 202]
            alice.writer.write(late[-3:] + whole)
            assert [(await alice.answer()).status for _ in range(2)] == [202, 202]
            assert await server.messages() == ["first", "whole", "whole", "late", "whole"]

    run(main())


def test_a_poll_behind_a_message_is_answered_behind_it(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            alice.position = str((await server.hub.members("lobby"))[0])
            alice.writer.write(alice.post("x") + alice.poll())
            assert (await alice.answer()).status == 202
            assert (await alice.answer()).said == ["x"]

    run(main())


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"{", "bad_request", 400),
        (b"", "bad_request", 400),
        (b'{"content":"  "}', "bad_request", 400),
        (b'{"content":"x","user":"mallory"}', "bad_request", 400),
        (b" " * 16_385, "too_large", 413),
    ],
)
def test_what_is_refused_is_refused_alike(run: Run, body: bytes, code: str, status: int) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            head = (
                alice.post("")
                .partition(b"\r\n\r\n")[0]
                .replace(b"Content-Length: 14", b"Content-Length: %d" % len(body))
            )
            refused = await alice.ask(head + b"\r\n\r\n" + body)
            assert (refused.status, refused.body["code"]) == (status, code)
            assert server.hub.stats.rejected[code] == 1
            if status == 400:
                assert (await alice.ask(alice.post("goes on"))).status == 202

    run(main())


def test_a_length_of_thousands_of_digits_is_a_bad_request(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            head, field, _ = alice.post("x").partition(b"Content-Length: ")
            alice.writer.write(head + field + b"1" * 5000 + b"x")
            async with asyncio.timeout(WAITS_S):
                assert (await alice.reader.readline()).startswith(b"HTTP/1.1 400 ")
            assert not caplog.records

    run(main())


def test_the_limit_of_a_user_holds(run: Run) -> None:
    async def main() -> None:
        async with serving(rate_per_s=0.001, burst=3) as server:
            alice = await publisher(server)
            answers = [await alice.ask(alice.post("x")) for _ in range(3)]
            assert [answer.status for answer in answers] == [202, 202, 429]
            assert "\r\nretry-after: " in answers[2].head
            assert server.hub.stats.rejected["rate_limited"] == 1

    run(main())


def test_a_token_that_has_run_out_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            server.hub.wall_clock = lambda: 4e9
            assert (await alice.ask(alice.post("late"))).status == 401
            assert await server.messages() == ["first"]

    run(main())


def test_another_user_on_the_connection_is_itself(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            alice = await publisher(server)
            assert (await alice.ask(alice.post("x", user="mallory"))).status == 202
            assert (await alice.ask(alice.post("x").replace(b"Bearer ", b"Bearer x"))).status == 401
            head, _ = await server.hub.members("lobby")
            history = await server.hub.backplane.history("lobby", type(head)(head.epoch, head.offset - 2))
            assert [json.loads(event.body)["userId"] for event in history] == ["alice", "mallory"]

    run(main())
