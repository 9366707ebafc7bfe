"""The fault server's side of each transport: bytes in, answers and subscriptions out. No socket, no clock.

Small, and independent of `loadtests.load.clients` on purpose: the WebSocket side is the `websockets` library's, so that
a client's misreading of RFC 6455 cannot be answered by the same misreading. `faultstreams` has what is on a stream.
"""

from __future__ import annotations

import struct
from typing import Literal, Protocol
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from loadtests.evidence.calibration import packets
from loadtests.evidence.calibration.faults import EPOCH, Delivery, FaultRoom
from loadtests.evidence.calibration.faultstreams import StreamWire, streams

REFUSED_TOKEN = "refused"  # noqa: S105 - a bearer of this token gets 401, or close 4401


class Host(Protocol):
    """What a connection needs of the server behind it."""

    def room(self, name: str) -> FaultRoom:
        """Find or open a room."""

    def publish(self, room: str, content: str, ref: str, accepted_ns: int) -> str:
        """Accept a message and return its id; empty when it is refused."""


class Chat(msgspec.Struct):
    """A client's message, in a frame or a POST's body."""

    content: str = ""
    ref: str = ""
    type: str = "chat"
    token: str = ""
    since: str = ""


class Connection:
    """One accepted connection: an HTTP/1.1 conversation that may turn into a stream or a WebSocket."""

    __slots__ = (
        "_buffer",
        "_host",
        "_stream",
        "_websocket",
        "blocked",
        "fed",
        "kind",
        "outgoing",
        "resumes",
        "room",
        "since",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self._buffer = b""
        self._websocket: ServerProtocol | None = None
        self._stream: StreamWire | None = None
        self.kind: Literal["http", "websocket", "stream", "held"] = "http"
        self.room = ""
        self.since = 0  # a held poll's position
        self.outgoing = b""
        self.blocked = False  # the socket takes no more for now
        self.fed = False  # something was received
        self.resumes = False  # it has said where it was, and nothing else yet

    @property
    def subscribed(self) -> bool:
        """Whether deliveries of `room` are to be sent here."""
        return self.kind != "http" and bool(self.room)

    def feed(self, data: bytes, accepted_ns: int) -> None:
        """Take received bytes; answers gather in `outgoing`."""
        self.fed = True
        if self._websocket is not None:
            self._frames(data, accepted_ns)
            return
        self._buffer += data
        # A held poll keeps what was pipelined behind it until it is answered.
        while self.kind == "http" and self._request(accepted_ns):
            pass

    def deliver(self, delivery: Delivery) -> None:
        """Put one event of the room on the wire."""
        if self.kind == "websocket":
            self.outgoing += _text_frame(self._message(delivery.body))
        elif self.kind == "stream" and self._stream is not None:
            self.outgoing += _chunk(self._stream.event(delivery))
        else:
            self.answer_poll()

    def _request(self, accepted_ns: int) -> bool:
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return False
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return False
        method, target, _ = request_line.split(" ", 2)
        body, self._buffer = rest[:length], rest[length:]
        url = urlsplit(target)
        if url.path in ("/health", "/metrics"):
            self._answer(200, b'{"status":"ok","transport":"fault server"}')
        elif headers.get("upgrade", "").lower() == "websocket":
            self._upgrade(head + blank, url.path)
        elif headers.get("authorization") == f"Bearer {REFUSED_TOKEN}":
            self._answer(401, b'{"type":"error","code":"unauthorized","message":"refused"}')
        else:
            self._route(method, url.path, parse_qs(url.query), headers, body, accepted_ns)
        return True

    def _route(
        self,
        method: str,
        path: str,
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: bytes,
        accepted_ns: int,
    ) -> None:
        _, _, room, verb = [*path.split("/"), "", "", ""][:4]
        if method == "POST" and verb == "messages":
            chat = msgspec.json.decode(body, type=Chat)
            accepted, answer = self._accept(room, chat, accepted_ns)
            self._answer(202 if accepted else 429, answer)
        elif method == "POST" and verb == "leave":
            self._answer(204, b"")
        elif verb in streams():
            self._open(streams()[verb], room, headers.get("last-event-id") or query.get("since", [""])[0])
        elif verb == "poll":
            self._poll(room, query.get("since", [""])[0], float(query.get("wait", ["25"])[0]))
        else:
            self._answer(404, b'{"type":"error","code":"not_found","message":"no such path"}')

    def _accept(self, room: str, chat: Chat, accepted_ns: int) -> tuple[bool, bytes]:
        """Publish; return whether it was accepted, and the event that answers it."""
        event_id = self._host.publish(room, chat.content, chat.ref, accepted_ns)
        if event_id:
            return True, msgspec.json.encode({"type": "ack", "id": event_id, "ref": chat.ref})
        refusal = {"type": "error", "code": "rate_limited", "message": "planted", "ref": chat.ref}
        return False, msgspec.json.encode(refusal)

    def _answer(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.outgoing += head.encode() + body

    def _open(self, stream: StreamWire, room: str, since: str) -> None:
        self.kind, self.room, self._stream = "stream", room, stream
        self.outgoing += (
            b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
        ) % stream.media_type.encode()
        self.outgoing += _chunk(stream.opening(self._welcome(since)))
        for delivery in self._missed(since):
            self.outgoing += _chunk(stream.event(delivery))

    def _poll(self, room: str, since: str, wait_s: float) -> None:
        self.resumes = bool(since) and not self.room  # a connection's first poll
        self.room = room
        delivered = len(self._host.room(room).delivered)
        self.since = _offset(since) if since else delivered
        if since and wait_s and self.since == delivered:
            self.kind = "held"
        else:
            self.answer_poll()

    def answer_poll(self) -> None:
        """Answer a poll with what came since its position, perhaps nothing."""
        # A poll's position counts deliveries, not offsets: or duplicates and swapped messages would be filtered out.
        self.kind = "http"
        room = self._host.room(self.room)
        delivered = room.delivered
        missed = delivered[self.since :]
        events = b",".join(delivery.body for delivery in (room.replay(missed) if self.resumes else missed))
        position = len(delivered)
        self._answer(200, b'{"events":[%b],"position":"%b:%d"}' % (events, EPOCH.encode(), position))

    def _upgrade(self, raw: bytes, path: str) -> None:
        websocket = self._websocket = ServerProtocol()
        websocket.receive_data(raw)
        for request in websocket.events_received():
            assert isinstance(request, Request)
            websocket.send_response(websocket.accept(request))
        if websocket.handshake_exc is not None:
            raise InvalidHandshake(str(websocket.handshake_exc))
        self.kind, self.room = "websocket", ""  # the room is entered by hello
        self._buffer = path.encode()
        if path == packets.PATH:
            websocket.send_text(packets.OPENING)
        self._flush(websocket)

    def _frames(self, data: bytes, accepted_ns: int) -> None:
        websocket = self._websocket
        assert websocket is not None
        websocket.receive_data(data)
        for frame in websocket.events_received():
            if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT:
                if self._speaks_socket_io:
                    self._packet(websocket, packets.read(bytes(frame.data).decode()), accepted_ns)
                else:
                    self._command(websocket, msgspec.json.decode(frame.data, type=Chat), accepted_ns)
        self._flush(websocket)

    def _command(self, websocket: ServerProtocol, chat: Chat, accepted_ns: int) -> None:
        if chat.type == "hello" and chat.token == REFUSED_TOKEN:
            websocket.send_close(4401, "unauthorized")
        elif chat.type == "hello":
            self._enter(websocket, self._buffer.decode().split("/")[2], chat.since)
        elif chat.type == "chat":
            websocket.send_text(self._accept(self.room, chat, accepted_ns)[1])

    @property
    def _speaks_socket_io(self) -> bool:
        return self._buffer.decode() == packets.PATH

    def _packet(self, websocket: ServerProtocol, command: packets.Command, accepted_ns: int) -> None:
        if command.auth is not None and command.auth["token"] == REFUSED_TOKEN:
            websocket.send_text(packets.refusal())
        elif command.auth is not None:
            websocket.send_text(packets.CONNECTED)
            self._enter(websocket, command.auth["room"], command.auth.get("since", ""))
        elif command.chat is not None:
            _, answer = self._accept(self.room, msgspec.convert(command.chat, Chat), accepted_ns)
            websocket.send_text(packets.answer(command.number, answer))

    def _enter(self, websocket: ServerProtocol, room: str, since: str) -> None:
        self.room = room
        websocket.send_text(self._message(self._welcome(since)))
        for delivery in self._missed(since):
            websocket.send_text(self._message(delivery.body))

    def _message(self, body: bytes) -> bytes:
        return packets.event(body) if self._speaks_socket_io else body

    def _flush(self, websocket: ServerProtocol) -> None:
        self.outgoing += b"".join(websocket.data_to_send())

    def _welcome(self, since: str) -> bytes:
        room = self._host.room(self.room)
        position = since or room.position(room.published)
        return msgspec.json.encode(
            {"type": "welcome", "room": self.room, "position": position, "recovered": bool(since)}
        )

    def _missed(self, since: str) -> list[Delivery]:
        self.resumes = bool(since)
        room = self._host.room(self.room)
        return room.replay(room.since(_offset(since))) if since else []


def _offset(position: str) -> int:
    return int(position.rpartition(":")[2])


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _text_frame(payload: bytes) -> bytes:
    size = len(payload)
    head = struct.pack("!BB", 0x81, size) if size < 126 else struct.pack("!BBH", 0x81, 126, size)
    return head + payload
