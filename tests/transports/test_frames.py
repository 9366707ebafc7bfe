"""The bytes of each transport's frames, against an independent parser."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from core.model import Position
from transports import longpoll, sse, websocket
from transports.uvicorn_edges.websocket import text_frame

AT = Position("abcdefgh", 7)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_direct_websocket_frame_is_one_whole_text_message(size: int) -> None:
    body = b"x" * size
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(text_frame(body, AT))
    (frame,) = client.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, body)
    assert client.parser_exc is None


def test_portable_websocket_frame_is_text() -> None:
    assert websocket.frame('{"a":"é"}'.encode(), AT) == '{"a":"é"}'


def test_sse_frame_is_one_event_with_its_id() -> None:
    assert sse.frame(b'{"a":1}', AT) == b'id: abcdefgh:7\ndata: {"a":1}\n\n'
    assert sse.frame(b'{"a":1}', None) == b'data: {"a":1}\n\n'


def test_poll_frame_keeps_its_position() -> None:
    assert longpoll.frame(b"{}", AT) == (b"{}", AT)
