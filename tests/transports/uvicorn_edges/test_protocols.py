"""The edges that uvicorn leaves; what it promises us by name is in `test_promises`."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode

from tests.core.virtual_time import VirtualTimeLoop
from tests.transports.wire_end import DIRECT, WireEnd, turns
from transports.base import EDGES, Protocols
from transports.direct.protocols import DirectHttpProtocol, DirectWebSocketProtocol
from transports.direct.upgrade import UpgradedProtocol
from transports.uvicorn_edges import protocols, websocket
from transports.uvicorn_edges.bounds import CONNECTION
from transports.uvicorn_edges.http1 import OrderlyHttpProtocol
from transports.uvicorn_edges.protocols import LabHttpProtocol
from transports.uvicorn_edges.websocket import LabWebSocketProtocol


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


class Echo:
    """An app that accepts, keeps what it receives, and answers HTTP with its path."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.scope: Scope = {}
        self.send: Send | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.send = scope, send
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            self.received.append(message)
        self.received.append(message)


@pytest.fixture
def app() -> Echo:
    return Echo()


@pytest.fixture(params=[EDGES, DIRECT], ids=["edges", "direct"])
async def end(request: pytest.FixtureRequest, app: Echo) -> AsyncIterator[WireEnd]:
    settings = {"ws_max_size": 16_384, "ws_ping_interval": 15.0, "ws_ping_timeout": 15.0}
    connection = WireEnd(app, protocols=request.param, **settings)
    yield connection
    await connection.end()


def said(client: ClientProtocol) -> bytes:
    return b"".join(client.data_to_send())


def close_of(client: ClientProtocol, data: bytes) -> Close | None:
    """The close frame in what the server sent."""
    client.receive_data(data)
    list(client.events_received())
    return client.close_rcvd


def test_every_override_is_of_a_method_that_uvicorn_calls() -> None:
    ours = {
        "take_over", "give_back", "write_through", "spawn", "close_soon", "can_hand_over", "holder", "go_on", "upgrade",
        "request_bytes", "broken", "stands_alone", "respond", "held_back", "answer_again",
    }  # fmt: skip
    for kind in (
        OrderlyHttpProtocol, LabHttpProtocol, LabWebSocketProtocol, DirectHttpProtocol, DirectWebSocketProtocol,
        UpgradedProtocol,
    ):  # fmt: skip
        base = HttpToolsProtocol if issubclass(kind, HttpToolsProtocol) else WebSocketsSansIOProtocol
        public = {name for name in vars(kind) if not name.startswith("_")} - ours
        source = inspect.getsource(inspect.getmodule(base) or base)
        assert {name for name in public if not hasattr(base, name)} == set()
        # asyncio and httptools call some of them; they are in no line of uvicorn's own.
        called = {name for name in public if f".{name}" in source or f"def {name}" in source}
        assert public == called


async def test_the_connection_is_offered_to_http_1_1_and_websocket(end: WireEnd, app: Echo) -> None:
    end.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await turns()
    assert app.scope["extensions"][CONNECTION]["protocol"] is end.protocol
    await end.upgraded()
    assert app.scope["extensions"][CONNECTION]["protocol"] is end.protocol
    assert "websocket.http.response" in app.scope["extensions"]


async def test_http_protocol_of_a_websocket_is_freed_at_once(end: WireEnd) -> None:
    before = weakref.ref(end.protocol)
    gc.disable()
    try:
        await end.upgraded()
        assert before() is None
    finally:
        gc.enable()


async def test_the_connection_is_not_offered_to_http_1_0(end: WireEnd, app: Echo) -> None:
    end.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    await turns()
    assert CONNECTION not in (app.scope.get("extensions") or {})
    assert end.received().endswith(b"ok")


async def test_text_that_is_not_utf_8_closes_with_1007_and_no_traceback(
    end: WireEnd, app: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    client = await end.upgraded()
    client.send_text(b"caf\xff")
    end.send(said(client))
    close = close_of(client, end.received())
    await turns()
    assert close is not None
    assert close.code == 1007
    assert app.received == [{"type": "websocket.disconnect", "code": 1007, "reason": ""}]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_split_text_is_judged_as_a_whole(end: WireEnd, app: Echo) -> None:
    client = await end.upgraded()
    client.send_text(b"caf\xc3", fin=False)
    client.send_continuation(b"\xa9", fin=True)
    end.send(said(client))
    await turns()
    assert app.received == [{"type": "websocket.receive", "text": "café"}]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\xfe\x40\x01\x00\x00\x00\x00" + b"x" * 16_385, 1009),
        (b"\xf1\x81\x00\x00\x00\x00x", 1002),
        (b"\x83\x81\x00\x00\x00\x00x", 1002),
        (b"\x81\x01x", 1002),
        (b"\x80\x81\x00\x00\x00\x00x", 1002),
    ],
    ids=["too large", "reserved bits", "reserved opcode", "unmasked", "continuation of nothing"],
)
async def test_violation_is_reported_before_the_connection_goes(end: WireEnd, frame: bytes, code: int) -> None:
    client = await end.upgraded()
    end.send(frame)
    close = close_of(client, end.received())
    assert close is not None
    assert close.code == code
    # To close or abort now, with bytes unread, would be a reset that overtakes the close frame.
    assert not {"close", "abort"} & set(end.transport.done)
    end.send(b"\xff" * 100)
    await asyncio.sleep(60.0)
    assert {"close", "abort"} & set(end.transport.done)
    assert end.received() == b""


async def test_text_of_exactly_the_limit_comes_through(end: WireEnd, app: Echo) -> None:
    client = await end.upgraded()
    client.send_text(b"x" * 16_384)
    end.send(said(client))
    await turns()
    assert [len(message["text"]) for message in app.received] == [16_384]


async def test_app_that_sends_after_the_protocol_closed_has_done_nothing_wrong(end: WireEnd, app: Echo) -> None:
    client = await end.upgraded()
    client.send_text(b"\xff")
    end.send(said(client))
    assert app.send is not None
    with pytest.raises(ClientDisconnected):
        await app.send({"type": "websocket.send", "text": "an event"})


async def test_shutdown_passes_over_a_connection_that_its_peer_has_closed(end: WireEnd) -> None:
    client = await end.upgraded()
    client.send_close(1000)
    end.send(said(client))
    assert close_of(client, end.received()) == Close(1000, "")
    end.protocol.shutdown()
    assert end.transport.is_closing()
    assert end.received() == b""


async def test_text_after_the_apps_close_is_dropped(end: WireEnd, app: Echo, caplog: pytest.LogCaptureFixture) -> None:
    client = await end.upgraded()
    assert app.send is not None
    await app.send({"type": "websocket.close", "code": 4400})
    close = close_of(client, end.received())
    assert close is not None
    assert close.code == 4400
    for payload in (b"\x81\x81\x00\x00\x00\x00\xff", b"\x81\x81\x00\x00\x00\x00x"):
        end.send(payload)
    await turns()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [message["type"] for message in app.received] == ["websocket.disconnect"]


async def test_ping_is_answered_and_a_flood_of_them_is_not(end: WireEnd) -> None:
    client = await end.upgraded()
    client.send_ping(b"one")
    end.send(said(client))
    client.receive_data(end.received())
    (pong,) = client.events_received()
    assert getattr(pong, "opcode", None) is Opcode.PONG
    for _ in range(websocket.CONTROL_FRAMES_PER_S + 1):
        client.send_ping(b"flood")
    end.send(said(client))
    close = close_of(client, end.received())
    assert close is not None
    assert close.code == 1008


async def test_pings_at_a_decent_pace_go_on_for_ever(end: WireEnd) -> None:
    client = await end.upgraded()
    for _ in range(3 * websocket.CONTROL_FRAMES_PER_S):
        client.send_ping(b"")
        end.send(said(client))
        await asyncio.sleep(0.02)
    assert close_of(client, end.received()) is None


async def test_message_in_endless_fragments_is_refused(end: WireEnd) -> None:
    client = await end.upgraded()
    client.send_text(b"", fin=False)
    for _ in range(websocket.FRAGMENTS):
        client.send_continuation(b"", fin=False)
    end.send(said(client))
    close = close_of(client, end.received())
    assert close is not None
    assert close.code == 1008


@pytest.mark.parametrize(("size", "status"), [(30_000, b"200"), (33_000, b"431"), (100_000, b"431")])
@pytest.mark.parametrize("step", [1_000_000, 1000])
async def test_head_is_bounded_whole_or_in_parts(end: WireEnd, size: int, status: bytes, step: int) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Padding: ".ljust(size - 4, b"x") + b"\r\n\r\n"
    for start in range(0, len(head), step):
        if not end.transport.is_closing():
            end.send(head[start : start + step])
    await turns()
    assert end.received().split(b" ")[1] == status


async def test_head_that_begins_behind_a_request_is_bounded_too(end: WireEnd) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Padding: ".ljust(protocols.HEAD_BYTES + 1000, b"x") + b"\r\n\r\n"
    end.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + head[:30_000])
    end.send(head[30_000:])
    await turns()
    assert end.received().count(b"HTTP/1.1 431 ") == 1


async def test_head_that_does_not_arrive_is_given_up(end: WireEnd) -> None:
    end.send(b"GET / HTTP/1.1\r\nHost:")
    await asyncio.sleep(protocols.HEAD_S + 0.1)
    assert end.received().startswith(b"HTTP/1.1 408 ")
    assert end.transport.done == ["close"]


async def test_connection_that_says_nothing_is_closed(end: WireEnd) -> None:
    await asyncio.sleep(protocols.HEAD_S - 0.1)
    assert end.transport.done == []
    await asyncio.sleep(0.2)
    assert end.transport.done == ["close"]


async def test_requests_in_time_are_not_cut_short(end: WireEnd) -> None:
    for _ in range(4):
        end.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await turns()
        assert end.received().endswith(b"ok")
        await asyncio.sleep(2.0)
    assert end.transport.done == []


@pytest.mark.parametrize("edges", [EDGES, DIRECT], ids=["edges", "direct"])
async def test_who_is_answered_learns_of_the_loss_though_another_request_waits(edges: Protocols) -> None:
    received: list[str] = []

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        received.extend([(await receive())["type"] for _ in range(2)])

    end = WireEnd(waits, protocols=edges)
    end.send(2 * b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await turns()
    end.lose()
    await turns()
    assert received == ["http.request", "http.disconnect"]
    await end.end()


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_text_frame_is_that_of_websockets(size: int) -> None:
    assert websocket.text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
