from __future__ import annotations

import msgspec
import pytest
from socketio.packet import Packet
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from loadtests.evidence.calibration import packets
from loadtests.load.clients.base import Arrival, ProtocolError
from loadtests.load.clients.socketio import SocketIoClient
from tests.loadtests.load.clients.streams import ACCESS, every_byte

WELCOME = b'{"type":"welcome","position":"epoch000:4","recovered":false}'


class Conversation:
    """A client talking to the `websockets` library's server; its packets are read by python-socketio."""

    def __init__(self, since: str = "") -> None:
        self.client = SocketIoClient(ACCESS, since)
        self.server = ServerProtocol()
        self.arrivals: list[Arrival] = []
        self.texts: list[str] = []
        self.server.receive_data(self.client.opening())
        (request,) = self.server.events_received()
        assert isinstance(request, Request)
        self.path = request.path
        self.server.send_response(self.server.accept(request))
        self.exchange()

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
                if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT:
                    self.texts.append(bytes(frame.data).decode())

    def say(self, packet: bytes) -> None:
        """Let the server send one packet."""
        self.server.send_text(packet)
        self.exchange()

    def join(self) -> None:
        """Open the engine, answer the handshake, welcome."""
        self.say(packets.OPENING)
        self.say(packets.CONNECTED)
        self.say(packets.event(WELCOME))


def test_the_handshakes_auth_carries_the_token_and_the_url_does_not() -> None:
    conversation = Conversation(since="epoch000:3")
    assert conversation.path == "/socket.io/?EIO=4&transport=websocket"
    assert not conversation.texts, "the server opens"
    conversation.say(packets.OPENING)
    (connect,) = conversation.texts
    auth = packets.read(connect).auth
    assert auth == {"token": ACCESS.token, "room": ACCESS.room, "since": "epoch000:3"}


def test_events_come_out_of_their_packets() -> None:
    conversation = Conversation()
    conversation.join()
    assert (conversation.client.welcomed, conversation.client.position) == (True, "epoch000:4")
    body = b'{"type":"chat","content":"a \\"quote\\", a ] and a }","id":"epoch000:5"}'
    conversation.say(packets.event(body))
    event, wire_bytes = conversation.arrivals[-1]
    assert (event.content, event.id) == ('a "quote", a ] and a }', "epoch000:5")
    assert wire_bytes == len(packets.event(body)) + 2
    assert conversation.client.position == "epoch000:5"


def test_a_publication_is_acknowledged_by_its_number() -> None:
    conversation = Conversation()
    conversation.join()
    conversation.server.receive_data(conversation.client.publish("hello", "0.7"))
    (frame,) = conversation.server.events_received()
    assert isinstance(frame, Frame)
    command = packets.read(bytes(frame.data).decode())
    assert (command.chat, command.number) == ({"content": "hello", "ref": "0.7"}, 1)
    conversation.say(packets.answer(1, b'{"type":"ack","id":"epoch000:5","ref":"0.7"}'))
    event, _ = conversation.arrivals[-1]
    assert (event.type, event.id, event.ref) == ("ack", "epoch000:5", "0.7")
    assert conversation.client.position == "epoch000:4", "an answer is no event of the stream"


def test_pings_are_answered() -> None:
    conversation = Conversation()
    conversation.join()
    conversation.say(b"2")
    conversation.say(b"6")
    assert conversation.texts[1:] == ["3"]


def test_refusals_say_whether_another_attempt_may_help() -> None:
    conversation = Conversation()
    conversation.say(packets.refusal())
    assert conversation.client.closed is not None
    assert not conversation.client.closed.retryable
    assert conversation.arrivals[0][0].code == "unauthorized"
    again = Conversation()
    away = {"message": "away", "data": {"type": "error", "code": "unavailable", "message": "away"}}
    again.say(b"44" + msgspec.json.encode(away))
    assert again.client.closed is not None
    assert again.client.closed.retryable


@pytest.mark.parametrize(("packet", "retryable"), [(b"1", True), (b"41", False)])
def test_how_the_server_ends_it_says_whether_to_come_back(packet: bytes, retryable: bool) -> None:
    conversation = Conversation()
    conversation.join()
    conversation.say(packets.event(b'{"type":"error","code":"slow_consumer","message":"too slow"}'))
    conversation.say(packet)
    assert conversation.client.closed is not None
    assert conversation.client.closed.retryable is retryable
    assert conversation.client.told_gaps == 1


@pytest.mark.parametrize("packet", [b"7", b"45", b'42["other",{}]', b"44[", b'42["event",{]', b"probe"])
def test_what_is_no_packet_of_the_contract_ends_it(packet: bytes) -> None:
    conversation = Conversation()
    with pytest.raises(ProtocolError):
        conversation.say(packet)


def test_leaving_is_a_disconnect_packet() -> None:
    conversation = Conversation()
    conversation.server.receive_data(conversation.client.leave())
    (frame,) = conversation.server.events_received()
    assert isinstance(frame, Frame)
    assert Packet(encoded_packet=bytes(frame.data).decode()[1:]).packet_type == 1
