"""Which rooms exist: a name outside the pattern is refused before a room does."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from websockets.exceptions import InvalidStatus

from tests.contracts.kit.clients import RefusedError, WebSocketClient
from tests.contracts.kit.clients.http import http_client, refusal
from tests.contracts.kit.limits import ROOM_MAX_CHARS
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import Connect, Target, downstream

BAD_NAMES = {
    "too long": "a" * (ROOM_MAX_CHARS + 1),
    "space": "a%20b",
    "slash": "a%2Fb",
    "backslash": "a%5Cb",
    "colon": "a:b",
    "newline at its end": "a%0A",
    "NUL": "a%00",
    "not ASCII": "%C3%A9",
    "not UTF-8": "%FF",
    "other digits": "%D9%A3",
    "markup": "%3Cb%3E",
}
COMMON_PATHS = (("POST", "/messages"), ("POST", "/leave"), ("GET", ""))
"""Of the transports whose commands go by POST."""


@pytest.mark.parametrize("name", tuple(BAD_NAMES.values()), ids=tuple(BAD_NAMES))
async def test_bad_room_name_is_not_found(server: ServerProcess, target: Target, connect: Connect, name: str) -> None:
    if target.transport == "websocket":
        client = await connect("alice", join=False)
        assert isinstance(client, WebSocketClient)
        client.room = name
        with pytest.raises(InvalidStatus) as refused:
            await client.open()
        assert refused.value.response.status_code in {403, 404}
        return
    if target.transport == "socketio":
        with pytest.raises(RefusedError) as error:
            await connect("alice", room=unquote(name))
        assert error.value.code == "not_found"
        return
    async with http_client(server.base_url, sign("alice")) as http:
        paths = [("GET", downstream(target.transport, name))]
        paths += [(method, f"/rooms/{name}{path}") for method, path in COMMON_PATHS]
        for method, path in paths:
            response = await http.request(method, path)
            assert (response.status_code, refusal(response).code) == (404, "not_found"), f"{method} {path}"


@pytest.mark.parametrize("name", ["a", "a" * ROOM_MAX_CHARS, "A-Z_0.9", "_", "-"])
async def test_good_room_name_is_entered(server: ServerProcess, connect: Connect, name: str) -> None:
    alice = await connect("alice", room=name)
    await alice.publish("here")
    assert (await alice.next_chat()).text("room") == name


async def test_unknown_path_is_not_found(server: ServerProcess) -> None:
    async with http_client(server.base_url, sign("alice")) as http:
        assert (await http.get("/rooms/lobby/nothing-here")).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_allowed(every: ServerProcess, method: str) -> None:
    async with http_client(every.base_url, sign("alice")) as http:
        for path in ("/session", "/rooms/lobby/messages", "/rooms/lobby/poll", "/rooms/lobby/events", "/rooms/lobby"):
            response = await http.request(method, path)
            assert (response.status_code, refusal(response).code) == (405, "method_not_allowed"), path


async def test_room_needs_a_token(server: ServerProcess, room: str) -> None:
    async with http_client(server.base_url) as http:
        response = await http.get(f"/rooms/{room}")
    assert (response.status_code, refusal(response).code) == (401, "unauthorized")
