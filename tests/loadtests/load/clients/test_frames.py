from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from loadtests.load.clients.base import ProtocolError
from loadtests.load.clients.websocket import BINARY, CLOSE, PING, TEXT, FrameParser, Message, build_frame
from tests.loadtests.load.clients.streams import cut, places

_messages = st.lists(
    st.tuples(
        st.binary(max_size=70_000) | st.binary(max_size=130),
        st.integers(1, 4),  # frames
        st.booleans(),  # a ping in between
    ),
    max_size=5,
)


def _serialize(messages: list[tuple[bytes, int, bool]]) -> tuple[bytes, list[Message]]:
    """Server frames by the `websockets` library, and what they are to be read as."""
    stream, expected = b"", []
    for payload, frames, pinged in messages:
        size = -(-len(payload) // frames)
        parts = [payload[part * size : (part + 1) * size] for part in range(frames)]
        wire_bytes = 0
        for number, part in enumerate(parts):
            opcode = Opcode.CONT if number else Opcode.TEXT
            raw = Frame(opcode, part, fin=number == frames - 1).serialize(mask=False)
            stream += raw
            wire_bytes += len(raw)
            if pinged and number == 0:
                ping = Frame(Opcode.PING, b"tick").serialize(mask=False)
                stream += ping
                expected.append(Message(PING, b"tick", len(ping)))
        message = Message(TEXT, payload, wire_bytes)
        # A control frame inside a fragmented message is given out first, one after a whole message after it.
        if pinged and frames == 1:
            expected.insert(len(expected) - 1, message)
        else:
            expected.append(message)
    return stream, expected


@given(_messages, places)
def test_any_split_of_the_stream_gives_the_same_messages(
    messages: list[tuple[bytes, int, bool]], where: list[int]
) -> None:
    stream, expected = _serialize(messages)
    parser = FrameParser()
    assert [message for piece in cut(stream, where) for message in parser.feed(piece)] == expected


@given(st.sampled_from([TEXT, BINARY]), st.binary(max_size=70_000))
def test_a_built_frame_is_what_an_independent_server_reads(opcode: int, payload: bytes) -> None:
    server = ServerProtocol(max_size=None)
    server.receive_data(
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    (request,) = server.events_received()
    server.send_response(server.accept(request))  # type: ignore[arg-type]
    server.receive_data(build_frame(opcode, payload))
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, bytes(frame.data)) == (opcode, payload)


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        (b"\x81\x80abcd", "masked"),
        (b"\xc1\x01a", "reserved bits"),
        (b"\x83\x01a", "unknown opcode 0x3"),
        (b"\x80\x01a", "continuation"),
        (b"\x01\x01a\x81\x01b", "before the fragmented one ended"),
        (b"\x09\x00", "control frame"),
        (b"\x89\x7e\x00\x7e" + b"a" * 126, "125 bytes"),
        (b"\x81\x7f" + (2**40).to_bytes(8, "big"), "at most"),
        (b"\x01\x7f" + (2**20).to_bytes(8, "big") + b"a" * 2**20 + b"\x80\x01a", "over"),
    ],
)
def test_what_a_server_must_not_send_is_refused(stream: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        FrameParser().feed(stream)


def test_a_close_frame_is_given_out_with_its_payload() -> None:
    assert FrameParser().feed(b"\x88\x02\x03\xe8") == [Message(CLOSE, b"\x03\xe8", 4)]
