"""Intermediaries keep nothing, and leave streams and polls as they are."""

from __future__ import annotations

import pytest

from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.rawhttp import answer_to, request
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import HTTP_TARGETS, TRANSPORTS, Target, downstream, unique

DOWNSTREAM_TARGETS = [Target("all", name) for name in TRANSPORTS if name not in ("websocket", "shortpoll")] + [
    Target("shortpoll", "shortpoll"),
    Target("sse-h2", "sse"),
]


@pytest.mark.parametrize("fanout", ["direct", "portable"])
@pytest.mark.parametrize("target", DOWNSTREAM_TARGETS, ids=str)
async def test_streams_and_polls_are_not_transformed(servers: ServerPool, target: Target, fanout: str) -> None:
    """An intermediary that compresses them, as Express and HAProxy can, would hold a stream's events back."""
    server = servers.shared(target.server, {"FANOUT": fanout})
    path = downstream(target.transport, unique("room"))
    async with http_client(server.base_url, sign("alice")) as http, http.stream("GET", path) as response:
        assert response.status_code == 200
        assert response.headers.get_list("cache-control") == ["no-store, no-transform"]


async def test_a_held_poll_is_not_transformed(every: ServerProcess) -> None:
    """Its answer does not come from the endpoint."""
    path, token = f"/rooms/{unique('room')}/poll", sign("alice")
    async with http_client(every.base_url, token) as http:
        position = (await http.get(path)).json()["position"]
    answer = await answer_to(every, request(f"GET {path}?wait=0.1&since={position}", token=token), until=b"}")
    assert answer.all("cache-control") == ["no-store, no-transform"]


async def test_nothing_else_is_stored(server: ServerProcess, room: str) -> None:
    token = sign("alice")
    async with http_client(server.base_url, token) as http:
        for path in ("/health", "/metrics", f"/rooms/{room}", "/nothing-here"):
            assert (await http.get(path)).headers.get_list("cache-control") == ["no-store"], path


@pytest.mark.parametrize("target", HTTP_TARGETS, ids=str)
async def test_answers_to_posts_are_not_stored(server: ServerProcess, room: str) -> None:
    token = sign("alice")
    bodies = {"/session": {"token": token}, f"/rooms/{room}/messages": {"content": "x"}, f"/rooms/{room}/leave": {}}
    async with http_client(server.base_url, token) as http:
        for path, body in bodies.items():
            answer = await http.post(path, json=body)
            assert answer.status_code < 300
            assert answer.headers.get_list("cache-control") == ["no-store"], path
