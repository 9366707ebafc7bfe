"""Compressed messages as a server sends them: inflated for any split, refused where they can't be."""

from __future__ import annotations

import zlib

import pytest
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol

from loadtests.load.clients.base import Access, Endpoint, ProtocolError
from loadtests.load.clients.deflate import DeflateWebSocketClient, InflatingParser
from loadtests.load.clients.websocket import MAX_MESSAGE_BYTES, TEXT

ACCESS = Access(Endpoint("h", 80), "r", "t")
TEXTS = (b'{"type":"chat","content":"one one one"}', b'{"type":"chat","content":"two"}', b"{}")


class Sender:
    """A server's side of permessage-deflate."""

    def __init__(self, *, keeps_context: bool = True) -> None:
        self._keeps_context = keeps_context
        self._deflater = zlib.compressobj(wbits=-15)

    def frame(self, text: bytes) -> bytes:
        data = self._deflater.compress(text) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        if not self._keeps_context:
            self._deflater = zlib.compressobj(wbits=-15)
        payload = data.removesuffix(b"\x00\x00\xff\xff")
        size = bytes((len(payload),)) if len(payload) < 126 else b"\x7f" + len(payload).to_bytes(8, "big")
        return bytes((0xC1,)) + size + payload


@pytest.mark.parametrize("step", [1, 5, 4096])
@pytest.mark.parametrize("keeps_context", [True, False])
def test_messages_are_inflated_and_their_wire_bytes_are_the_compressed_ones(step: int, keeps_context: bool) -> None:
    sender, parser = Sender(keeps_context=keeps_context), InflatingParser()
    parser.keeps_context = keeps_context
    frames = [sender.frame(text) for text in TEXTS]
    data = b"".join(frames)
    messages = [each for start in range(0, len(data), step) for each in parser.feed(data[start : start + step])]
    assert [(opcode, payload) for opcode, payload, _ in messages] == [(TEXT, text) for text in TEXTS]
    assert [wire_bytes for _, _, wire_bytes in messages] == [len(frame) for frame in frames]


def test_plain_messages_pass_beside_compressed_ones() -> None:
    parser = InflatingParser()
    (plain, packed) = parser.feed(b"\x81\x02{}" + Sender().frame(TEXTS[0]))
    assert (plain.payload, packed.payload) == (b"{}", TEXTS[0])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xc1\x03abc", "can't be inflated"),
        (b"\xc2\x01a", "reserved bits"),
        (b"\xa1\x01a", "reserved bits"),
        (Sender().frame(b"x" * (MAX_MESSAGE_BYTES + 1)), f"a message over {MAX_MESSAGE_BYTES} bytes"),
    ],
)
def test_what_can_not_be_a_message_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        InflatingParser().feed(data)


def test_the_offer_is_made_and_only_its_own_answer_taken() -> None:
    client = DeflateWebSocketClient(ACCESS)
    assert b"\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n" in client.opening()
    client._agree(None)
    client._agree(b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")
    for answer in (b"permessage-bzip2", b"permessage-deflate; mystery", b"permessage-deflate, x"):
        with pytest.raises(ProtocolError, match="permessage-deflate was offered"):
            client._agree(answer)


@pytest.mark.parametrize("step", [1, 4096])
def test_it_agrees_with_the_websockets_library(step: int) -> None:
    server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
    client = DeflateWebSocketClient(ACCESS)
    server.receive_data(client.opening())
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    for text in TEXTS * 2:
        server.send_text(text)
    sent = b"".join(server.data_to_send())
    assert b"permessage-deflate" in sent
    assert TEXTS[0] not in sent
    arrivals = [each for start in range(0, len(sent), step) for each in client.feed(sent[start : start + step])]
    assert [event.content for event, _ in arrivals] == ["one one one", "two", ""] * 2
    server.receive_data(client.take_outgoing())
    (hello,) = server.events_received()
    assert isinstance(hello, Frame)
    assert b'"type":"hello"' in hello.data
