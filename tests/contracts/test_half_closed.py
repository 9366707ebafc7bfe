"""A client that has ended its side of the connection: requests are still answered, streams end."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.events import parse_object
from tests.contracts.kit.metrics import until
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.rawhttp import answer_to, request
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign

CHAT = b'{"content":"hi"}'


@pytest.fixture(params=["direct", "portable", "redis"])
def server(servers: ServerPool, request: pytest.FixtureRequest) -> ServerProcess:
    if request.getfixturevalue("variant").tls:
        pytest.skip("under TLS the end of the client's side ends the connection")
    if request.param == "redis":  # where an answer takes more than a turn
        return servers.shared("all", {"REDIS_URL": request.getfixturevalue("redis_url")})
    return servers.shared("all", {"FANOUT": request.param})


async def test_a_post_is_answered(server: ServerProcess, room: str) -> None:
    post = request(f"POST /rooms/{room}/messages", token=sign("alice"), body=CHAT)
    for times in (1, 3):  # later ones skip the parser where they come alone, or wait behind each other
        answer = await answer_to(server, post * times, until=None, fin=True)
        assert (answer.head + answer.rest).count(b" 202 Accepted\r\n") == times


async def test_a_post_behind_another_answer_is_answered(server: ServerProcess, room: str) -> None:
    """The second POST of a connection, which is known by the first."""
    post = request(f"POST /rooms/{room}/messages", token=sign("alice"), body=CHAT)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(post)
    await reader.readuntil(b'"}')
    writer.write(post)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 202 ")


async def test_a_state_and_a_poll_with_events_are_answered(server: ServerProcess, room: str) -> None:
    token = sign("alice")
    async with http_client(server.base_url, token) as http:
        since = (await http.get(f"/rooms/{room}/poll")).json()["position"]
        await http.post(f"/rooms/{room}/messages", content=CHAT)
    state = await answer_to(server, request(f"GET /rooms/{room}", token=token), until=None, fin=True)
    assert parse_object(state.rest)["room"] == room
    poll = await answer_to(server, request(f"GET /rooms/{room}/poll?since={since}", token=token), until=None, fin=True)
    assert b'"content":"hi"' in poll.rest


async def test_a_stream_ends(server: ServerProcess, room: str) -> None:
    answer = await answer_to(server, request(f"GET /rooms/{room}/events", token=sign("alice")), until=None, fin=True)
    assert answer.status == 200
    async with http_client(server.base_url, sign("bob")) as http:

        async def is_empty() -> bool:
            return not (await http.get(f"/rooms/{room}")).json()["members"]

        await until(is_empty)


async def test_a_waiting_poll_ends(server: ServerProcess, room: str) -> None:
    token = sign("alice")
    async with http_client(server.base_url, token) as http:
        first = (await http.get(f"/rooms/{room}/poll")).json()["position"]
        since = (await http.get(f"/rooms/{room}/poll?since={first}&wait=1")).json()["position"]
    with pytest.raises(asyncio.IncompleteReadError):
        await answer_to(server, request(f"GET /rooms/{room}/poll?since={since}", token=token), until=None, fin=True)


@pytest.mark.parametrize("fin", [False, True])
async def test_socketio_takes_a_post_in_chunks_and_ends_a_waiting_poll(
    server: ServerProcess, room: str, fin: bool
) -> None:
    path = "/socket.io/?EIO=4&transport=polling"
    opened = await answer_to(server, request(f"GET {path}"), until=b"}")
    path += f"&sid={parse_object(opened.rest[opened.rest.index(b'{') : opened.rest.index(b'}') + 1])['sid']}"
    auth = "40" + json.dumps({"token": sign("alice"), "room": room})
    chunks = f"{len(auth):x}\r\n{auth}\r\n0\r\n\r\n".encode()
    posted = await answer_to(
        server, request(f"POST {path}", "Transfer-Encoding: chunked"), chunks, until=b"OK" if not fin else None, fin=fin
    )
    assert posted.status == 200
    assert b"OK" in posted.rest
    welcome = await answer_to(server, request(f"GET {path}"), until=b"welcome")
    assert welcome.status == 200
    ends = 0
    for _ in range(3):  # the join is said too; then nothing is, and the poll waits
        try:
            await answer_to(server, request(f"GET {path}"), until=None, fin=True)
        except asyncio.IncompleteReadError:
            ends += 1
            break
    assert ends == 1
