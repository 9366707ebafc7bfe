"""What a stream opens with costs one write, and is whole."""

from __future__ import annotations

import time

import pytest
from starlette.applications import Starlette

from core.auth import sign
from tests.core.instances import SECRET, instance
from tests.transports.wire_end import WireEnd, turns
from transports.plug import fast_path
from transports.sse import SseTransport
from transports.websocket import WebSocketTransport

TOKEN = sign(SECRET, "alice", ["*"], time.time() + 60)


@pytest.mark.parametrize("paused", [False, True])
async def test_an_event_stream_opens_with_one_write(paused: bool) -> None:
    async with instance() as one:
        end = WireEnd(Starlette(routes=SseTransport().routes(one.hub, fast_path(one.hub))), lifespan="off")
        try:
            end.send(f"GET /rooms/lobby/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
            if paused:
                end.protocol.pause_writing()
                await turns()
                assert end.transport.written == []  # uvicorn waits before the head
                end.protocol.resume_writing()
            await turns()
            assert len(end.transport.written) == 1
            opening = end.received()
            assert opening.startswith(b"HTTP/1.1 200 OK\r\n")
            assert opening.index(b"\r\n\r\n") < opening.index(b'"welcome"') < opening.index(b'"user_joined"')
        finally:
            await end.end()
            await turns()


async def test_an_event_stream_whose_client_goes_before_its_head_is_no_member() -> None:
    async with instance() as one:
        end = WireEnd(Starlette(routes=SseTransport().routes(one.hub, fast_path(one.hub))), lifespan="off")
        end.send(f"GET /rooms/lobby/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        end.protocol.pause_writing()
        await turns()
        end.transport.abort()
        await end.end()
        await turns()
        assert end.received() == b""
        assert sum(one.hub.stats.connections.values()) == 0


async def test_a_websocket_opens_with_one_write() -> None:
    async with instance() as one:
        end = WireEnd(Starlette(routes=WebSocketTransport().routes(one.hub, fast_path(one.hub))), lifespan="off")
        try:
            client = await end.upgraded()
            client.send_text(f'{{"type":"hello","token":"{TOKEN}"}}'.encode())
            end.send(b"".join(client.data_to_send()))
            await turns()
            assert len(end.transport.written) == 1
            client.receive_data(end.received())
            delivered = [bytes(event.data) for event in client.events_received()]  # type: ignore[union-attr]
            assert [b'"welcome"' in delivered[0], b'"user_joined"' in delivered[1]] == [True, True]
        finally:
            await end.end()
            await turns()


async def test_a_websocket_whose_client_goes_right_after_its_hello_is_no_member(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with instance() as one:
        end = WireEnd(Starlette(routes=WebSocketTransport().routes(one.hub, fast_path(one.hub))), lifespan="off")
        client = await end.upgraded()
        client.send_text(f'{{"type":"hello","token":"{TOKEN}"}}'.encode())
        end.send(b"".join(client.data_to_send()))
        end.transport.abort()
        await end.end()
        await turns()
        assert end.received() == b""
        assert sum(one.hub.stats.connections.values()) == 0
        assert not [record for record in caplog.records if record.exc_info]
