from __future__ import annotations

import msgspec
import pytest
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from loadtests.load.clients.base import Arrival, ProtocolError
from loadtests.load.clients.websocket import WebSocketClient
from tests.loadtests.load.clients.streams import ACCESS, every_byte


class Conversation:
    """A client talking to the `websockets` library's server, without a socket."""

    def __init__(self, since: str = "") -> None:
        self.client = WebSocketClient(ACCESS, since)
        self.server = ServerProtocol()
        self.arrivals: list[Arrival] = []
        self.commands: list[dict[str, str]] = []
        self.frames: list[Frame] = []

    def open(self) -> Request:
        """Shake hands and take the hello."""
        self.server.receive_data(self.client.opening())
        (request,) = self.server.events_received()
        assert isinstance(request, Request)
        self.server.send_response(self.server.accept(request))
        self.exchange()
        return request

    def exchange(self) -> None:
        """Carry bytes both ways until nobody has anything to say; the client gets them one at a time."""
        while True:
            down = b"".join(self.server.data_to_send())
            for byte in every_byte(down):
                self.arrivals += self.client.feed(byte)
            up = self.client.take_outgoing()
            if not down and not up:
                return
            self.server.receive_data(up)
            for frame in self.server.events_received():
                assert isinstance(frame, Frame)
                self.frames.append(frame)
                if frame.opcode is Opcode.TEXT:
                    self.commands.append(msgspec.json.decode(frame.data))

    def say(self, **event: object) -> None:
        """Let the server send one event."""
        self.server.send_text(msgspec.json.encode(event))
        self.exchange()


def test_the_first_message_carries_the_token_and_the_url_does_not() -> None:
    conversation = Conversation()
    request = conversation.open()
    assert request.path == "/rooms/lobby/ws"
    assert "Authorization" not in request.headers
    assert conversation.commands == [{"type": "hello", "token": ACCESS.token}]


def test_a_resume_names_the_position() -> None:
    conversation = Conversation(since="abcdefgh:7")
    conversation.open()
    assert conversation.commands == [{"type": "hello", "token": ACCESS.token, "since": "abcdefgh:7"}]


def test_welcome_and_events_are_followed_and_counted_with_their_frames() -> None:
    conversation = Conversation()
    conversation.open()
    conversation.say(type="welcome", position="abcdefgh:1", recovered=False)
    assert conversation.client.welcomed
    assert conversation.client.position == "abcdefgh:1"
    conversation.say(type="chat", id="abcdefgh:2", content="hi")
    conversation.say(type="ack", id="abcdefgh:9", ref="0.0")
    assert conversation.client.position == "abcdefgh:2", "an ack is not an event of the stream"
    chat, wire_bytes = conversation.arrivals[1]
    assert (chat.content, wire_bytes) == ("hi", len(b'{"type":"chat","id":"abcdefgh:2","content":"hi"}') + 2)


def test_a_ping_is_answered_with_its_payload() -> None:
    conversation = Conversation()
    conversation.open()
    conversation.server.send_ping(b"tick")
    conversation.exchange()
    assert (conversation.frames[-1].opcode, bytes(conversation.frames[-1].data)) == (Opcode.PONG, b"tick")


@pytest.mark.parametrize(
    ("code", "retryable", "gaps"),
    [(1000, True, 0), (1012, True, 0), (4409, True, 1), (4429, True, 0), (4401, False, 0), (4403, False, 0)],
)
def test_a_close_is_answered_and_says_whether_to_come_back(code: int, retryable: bool, gaps: int) -> None:
    conversation = Conversation()
    conversation.open()
    conversation.server.send_close(code, "because")
    conversation.exchange()
    closed = conversation.client.closed
    assert closed is not None
    assert (closed.code, closed.reason, closed.retryable) == (code, "because", retryable)
    assert conversation.client.told_gaps == gaps
    assert conversation.frames[-1].opcode is Opcode.CLOSE
    assert bytes(conversation.frames[-1].data) == code.to_bytes(2, "big")


def test_a_slow_consumer_is_reported_once_whether_by_error_close_or_both() -> None:
    conversation = Conversation()
    conversation.open()
    conversation.say(type="error", code="slow_consumer", message="too slow")
    conversation.server.send_close(4409)
    conversation.exchange()
    assert conversation.client.told_gaps == 1


def test_a_resync_is_an_announced_gap_and_moves_the_position() -> None:
    conversation = Conversation(since="abcdefgh:7")
    conversation.open()
    conversation.say(type="resync", reason="epoch_changed", position="ijklmnop:0")
    assert (conversation.client.told_gaps, conversation.client.position) == (1, "ijklmnop:0")


def test_published_content_reaches_the_server_as_typed() -> None:
    conversation = Conversation()
    conversation.open()
    conversation.server.receive_data(conversation.client.publish('T1.2.3.4."<', "1.2"))
    (frame,) = conversation.server.events_received()
    assert isinstance(frame, Frame)
    assert msgspec.json.decode(frame.data) == {"type": "chat", "content": 'T1.2.3.4."<', "ref": "1.2"}


def test_leave_is_a_command() -> None:
    conversation = Conversation()
    conversation.open()
    conversation.server.receive_data(conversation.client.leave())
    (frame,) = conversation.server.events_received()
    assert isinstance(frame, Frame)
    assert msgspec.json.decode(frame.data) == {"type": "leave"}


def test_a_refused_handshake_closes_with_its_status_and_hint() -> None:
    client = WebSocketClient(ACCESS)
    assert client.feed(b"HTTP/1.1 503 No\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n") == []
    assert client.closed is not None
    assert (client.closed.code, client.closed.retryable, client.retry_ms) == (503, True, 2000)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: bm90IG91cnM=\r\n\r\n",
        b"HTTP/1.1 101 Go\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
def test_a_handshake_that_does_not_answer_our_key_is_refused(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        WebSocketClient(ACCESS).feed(answer)


@pytest.mark.parametrize("frame", [b"\x82\x01a", b"\x81\x01a"])
def test_what_is_no_event_is_refused(frame: bytes) -> None:
    conversation = Conversation()
    conversation.open()
    with pytest.raises(ProtocolError):
        conversation.client.feed(frame)


def test_the_end_of_the_connection_is_no_silent_end() -> None:
    client = WebSocketClient(ACCESS)
    client.finish()
    assert client.closed is not None
    assert client.closed.retryable
