"""The whole frame or body: exactly 16 KiB passes (see test_validation), one byte more does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from tests.contracts.kit.clients import HttpRoomClient, WebSocketClient, ending
from tests.contracts.kit.clients.http import http_client, refusal
from tests.contracts.kit.limits import FRAME_MAX_BYTES
from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import HTTP_TARGETS, Connect, Target

CHAT = b'{"type":"chat","content":"x"'
OVER = CHAT + b" " * (FRAME_MAX_BYTES - len(CHAT)) + b"}"
WEBSOCKETS = (Target("websocket", "websocket"), Target("all", "websocket"))


@pytest.mark.parametrize("target", HTTP_TARGETS, ids=str)
@pytest.mark.parametrize("path", ["messages", "leave"])
async def test_body_over_the_limit_is_too_large(server: ServerProcess, connect: Connect, path: str) -> None:
    alice = await connect("alice")
    assert isinstance(alice, HttpRoomClient)
    response = await alice.http.post(f"/rooms/{alice.room}/{path}", content=OVER)
    assert (response.status_code, refusal(response).code) == (413, "too_large")


@pytest.mark.parametrize("target", HTTP_TARGETS, ids=str)
async def test_session_body_over_the_limit_is_too_large(server: ServerProcess) -> None:
    async with http_client(server.base_url) as http:
        response = await http.post("/session", content=b'{"token":"' + b"x" * FRAME_MAX_BYTES + b'"}')
        assert refusal(response).code == "too_large"


@pytest.mark.parametrize("target", HTTP_TARGETS, ids=str)
async def test_body_without_a_length_is_cut_at_the_limit(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    assert isinstance(alice, HttpRoomClient)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(OVER), 1000):
            yield OVER[start : start + 1000]

    response = await alice.http.post(f"/rooms/{alice.room}/messages", content=chunks())
    assert (response.status_code, refusal(response).code) == (413, "too_large")


@pytest.mark.parametrize("target", WEBSOCKETS, ids=str)
@pytest.mark.parametrize("fragments", [1, 5])
async def test_message_over_the_limit_closes_with_1009(server: ServerProcess, connect: Connect, fragments: int) -> None:
    alice = await connect("alice")
    assert isinstance(alice, WebSocketClient)
    text, size = OVER.decode(), -(-len(OVER) // fragments)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    with suppress(ConnectionClosed):  # the server may close before the last fragment is sent
        await alice.socket.send(text if fragments == 1 else pieces)
    end = await ending(alice)
    assert end.close_code == 1009
    assert set(end.codes) <= {"too_large"}


@pytest.mark.parametrize("target", WEBSOCKETS, ids=str)
async def test_fragmented_message_within_the_limit_passes(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    assert isinstance(alice, WebSocketClient)
    await alice.socket.send(['{"type":"chat",', '"content":"in', ' pieces"}'])
    assert (await alice.reply()).type == "ack"
    assert (await alice.next_chat()).text("content") == "in pieces"
