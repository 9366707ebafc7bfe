"""SIGTERM: every client is notified, new work is refused, and the process exits in time whatever clients do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import cast

import httpx
import pytest
from websockets.exceptions import InvalidHandshake

from tests.contracts.kit.clients import (
    DisconnectedError,
    PollClient,
    RefusedError,
    RoomClient,
    SseClient,
    StreamClient,
    WebSocketClient,
    ending,
)
from tests.contracts.kit.clients.http import http_client, refusal
from tests.contracts.kit.clients.poll import Answer
from tests.contracts.kit.metrics import scrape, until_total
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.rawsocket import RawWebSocket
from tests.contracts.kit.server import Launcher, ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import HTTP_TRANSPORTS, STREAMS, TRANSPORTS, Connect, Target, downstream, unique

DRAIN_S = 1.0
SETTINGS = {"DRAIN_SECONDS": f"{DRAIN_S:g}", "RATE": "0"}
LONG = SETTINGS | {"DRAIN_SECONDS": "3"}  # time to ask a server that drains
OWN_SERVERS = (*(Target(name, name) for name in TRANSPORTS), Target("all", "websocket"))
PROCESS_EXIT_S = 2.0
"""On top of the drain: an interpreter's end (and its coverage report) on a loaded machine."""


async def exit_code(server: ServerProcess) -> int:
    return await asyncio.to_thread(server.wait)


async def assert_reported(client: RoomClient) -> None:
    """What the contract promises a client of a server that drains."""
    if isinstance(client, WebSocketClient):
        end = await ending(client)
        assert end.close_code == 1012
        assert set(end.codes) <= {"shutting_down"}
    elif isinstance(client, SseClient):
        before = len(client.retries_ms)
        assert set((await ending(client)).codes) <= {"shutting_down"}
        assert len(client.retries_ms) == before + 1, "no retry hint before the end"
        assert client.retries_ms[-1] > 0
    elif isinstance(client, StreamClient):
        assert (await ending(client)).codes == ("shutting_down",)


@pytest.mark.parametrize("target", OWN_SERVERS, ids=str)
async def test_streams_are_notified_and_the_process_exits_cleanly(
    servers: ServerPool, target: Target, connect: Connect
) -> None:
    server = servers.own(target.server, SETTINGS)
    clients = [await connect(f"user{count}", server=server) for count in range(5)]
    started_s = time.monotonic()
    server.terminate()
    for client in clients:
        await assert_reported(client)
    assert await exit_code(server) == 0
    assert time.monotonic() - started_s <= DRAIN_S + PROCESS_EXIT_S


@pytest.mark.parametrize("name", ["websocket", *STREAMS])
async def test_who_was_told_is_not_accepted_again(servers: ServerPool, connect: Connect, name: str) -> None:
    """Who comes back at once reaches another instance, if one shares the address, and is not sent away twice."""
    server = servers.own("all", SETTINGS)
    client = await connect("alice", transport=name, server=server)
    server.terminate()
    await ending(client)
    with pytest.raises(ConnectionRefusedError):
        await server.open_connection()


async def test_all_tells_streams_of_every_kind(servers: ServerPool, connect: Connect) -> None:
    server = servers.own("all", SETTINGS)
    clients = [await connect(name, transport=name, server=server) for name in ("websocket", *STREAMS)]
    server.terminate()
    for client in clients:
        await assert_reported(client)
    assert await exit_code(server) == 0


@pytest.mark.parametrize("name", ["longpoll", "all"])
async def test_held_poll_is_answered(servers: ServerPool, connect: Connect, name: str) -> None:
    server = servers.own(name, SETTINGS)
    alice = await connect("alice", transport="longpoll", server=server)
    assert isinstance(alice, PollClient)
    marker = await alice.caught_up()
    task = asyncio.create_task(alice.poll(alice.position, 55))
    await until_total(server, "rtlab_connections", lambda total: total >= 1)
    server.terminate()
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    if isinstance(outcome, RefusedError):
        assert (outcome.code, outcome.status) == ("shutting_down", 503)
        assert int(outcome.headers["retry-after"]) > 0
    else:
        assert isinstance(outcome, Answer)
        assert (outcome.events, outcome.position) == ((), marker)
    assert await exit_code(server) == 0


@pytest.fixture
async def stuck() -> AsyncIterator[RawWebSocket]:
    """A peer that neither reads nor answers; a test that uses it opens it."""
    async with contextlib.aclosing(RawWebSocket(answer_pings=False)) as peer:
        yield peer


async def assert_refuses(http: httpx.AsyncClient, room: str) -> None:
    """Every request gets a 503 that says why, or no connection any more."""
    for method, path in (
        ("GET", "/health"),
        ("POST", f"/rooms/{room}/messages"),
        *(("GET", downstream(name, room)) for name in HTTP_TRANSPORTS),
    ):
        body = {"content": "late"} if method == "POST" else None
        with contextlib.suppress(httpx.TransportError):
            response = await http.request(method, path, json=body)
            assert response.status_code == 503, f"{method} {path}"
            if path != "/health":
                assert refusal(response).code == "shutting_down"
                assert int(response.headers["retry-after"]) > 0


async def test_draining_server_begins_nothing_new(
    servers: ServerPool, connect: Connect, room: str, stuck: RawWebSocket
) -> None:
    """A reader that never closes holds the drain open; what is asked meanwhile is refused or not even accepted."""
    server = servers.own("all", LONG)
    await stuck.open(server, room)
    await stuck.send_json({"type": "hello", "token": sign(unique("stuck"))})
    witness = await connect("witness", transport="websocket", server=server)
    late = await connect("late", transport="websocket", server=server, join=False)
    async with (
        http_client(server.base_url, sign("late")) as kept_alive,
        http_client(server.base_url, sign("late")) as newcomer,
    ):
        assert (await kept_alive.get("/health")).status_code == 200
        server.terminate()
        await assert_reported(witness)
        await assert_refuses(kept_alive, room)
        await assert_refuses(newcomer, room)
        with pytest.raises((OSError, DisconnectedError, RefusedError, InvalidHandshake)):
            await late.connect()
    assert await exit_code(server) == 0


@pytest.mark.parametrize("fanout", ["direct", "portable"])
async def test_who_does_not_answer_the_end_of_tls_does_not_hold_it(servers: ServerPool, room: str, fanout: str) -> None:
    server = servers.own("all", SETTINGS | {"FANOUT": fanout}, tls=True)
    headers = f"Host: x\r\nAuthorization: Bearer {sign('deaf')}\r\n"
    writers = []
    for path in ("/health", f"/rooms/{room}/events", f"/rooms/{room}/poll"):
        reader, writer = await server.open_connection()
        writers.append(writer)
        writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        cast("asyncio.Transport", writer.transport).pause_reading()  # it is deaf from now on
    server.terminate()
    assert await exit_code(server) == 0
    assert "graceful shutdown exceeded" not in server.log_text()
    for writer in writers:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def half_sent_requests(server: ServerProcess, *requests: str) -> AsyncIterator[None]:
    """Connections that sent so much and no more, and read nothing."""
    writers = []
    try:
        for request in requests:
            _, writer = await server.open_connection()
            writers.append(writer)
            writer.write(request.encode())
        yield
    finally:
        for writer in writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def unread(server: ServerProcess, room: str, transport: str) -> str:
    """The path of a stream, or of a poll that is held, for a peer that will not read its answer."""
    async with http_client(server.base_url, sign("stuck")) as http:
        if transport == "socketio":
            polling = "/socket.io/?EIO=4&transport=polling"
            sid = json.loads((await http.get(polling)).text[1:])["sid"]
            hello = json.dumps({"token": sign("stuck"), "room": room})
            (await http.post(f"{polling}&sid={sid}", content=f"40{hello}")).raise_for_status()
            return f"{polling}&sid={sid}"
        if transport in STREAMS:
            return downstream(transport, room)
        position = (await http.get(f"/rooms/{room}/poll")).json()["position"]
        after_join = (await http.get(f"/rooms/{room}/poll?wait=0&since={position}")).json()["position"]
        return f"/rooms/{room}/poll?wait=55&since={after_join}"


@pytest.mark.parametrize("target", OWN_SERVERS, ids=str)
@pytest.mark.parametrize("launcher", ["forked", "uvicorn"])
async def test_stuck_clients_do_not_hold_it(
    servers: ServerPool, target: Target, connect: Connect, room: str, stuck: RawWebSocket, launcher: Launcher
) -> None:
    """Peers that never read, never answer, or never finish their request."""
    server = servers.own(target.server, SETTINGS, launcher)
    publisher = await connect("publisher", server=server)
    before = (await scrape(server)).total("rtlab_connections")
    if target.transport == "websocket":
        await stuck.open(server, room)
        await stuck.send_json({"type": "hello", "token": sign(unique("stuck"))})
        held = []
    else:
        held = [await unread(server, room, target.transport)]
    headers = f"Host: 127.0.0.1\r\nAuthorization: Bearer {sign('stuck')}\r\n"
    post = f"POST /rooms/{room}/messages HTTP/1.1\r\n{headers}"
    async with half_sent_requests(
        server,
        "",
        post[:-5],
        f"{post}Content-Length: 100\r\n\r\n{{",
        *(f"GET {path} HTTP/1.1\r\n{headers}\r\n" for path in held),
    ):
        if target.transport != "shortpoll":  # whose polls are never held
            await until_total(server, "rtlab_connections", lambda total: total == before + 1)
        for _ in range(100):
            await publisher.publish('"' * 4096)
        started_s = time.monotonic()
        server.terminate()
        assert await exit_code(server) == 0
        assert time.monotonic() - started_s <= DRAIN_S + PROCESS_EXIT_S
    assert not server.log_offences()
