"""The WebSocket client: handshake by hand (RFC 6455 section 4), `hello` first, events and acknowledgements after."""

from __future__ import annotations

import base64
import hashlib
import secrets

import msgspec

from loadtests.load.clients import frames
from loadtests.load.clients.base import Client
from loadtests.load.clients.errors import Closed, ProtocolError
from loadtests.load.clients.events import Arrival, Event, decode_event
from loadtests.load.clients.http import Access, split_head

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SLOW_CONSUMER = 4409


class WebSocketClient(Client):
    """Duplex: what it publishes travels on the socket that its events come from."""

    __slots__ = ("_handshake", "_key", "_parser")

    label = "WS"

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._key = base64.b64encode(secrets.token_bytes(16))
        self._handshake: bytes | None = b""  # None once it is over
        self._parser = frames.FrameParser()

    def opening(self) -> bytes:
        """The upgrade request, without a token: the first message carries it, on every WebSocket."""
        return (
            f"GET {self._path()} HTTP/1.1\r\nHost: {self.access.endpoint.authority}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\n{self._offer()}\r\n"
        ).encode("latin-1")

    def publish(self, content: str, ref: str) -> bytes:
        """Build the frame of one `chat`; its answer arrives as an `ack` or `error` event with the same ref."""
        return frames.build_frame(frames.TEXT, msgspec.json.encode({"type": "chat", "content": content, "ref": ref}))

    def leave(self) -> bytes:
        """Build the frame that asks the server to end the membership and close with 1000."""
        return frames.build_frame(frames.TEXT, b'{"type":"leave"}')

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        if self._handshake is not None:
            data = self._shake_hands(data)
            if not data:
                return []
        arrivals: list[Arrival] = []
        for opcode, payload, wire_bytes in self._parser.feed(data):
            if opcode == frames.TEXT:
                event = self._read(payload)
                if event is not None:
                    self.follow(event)
                    arrivals.append((event, wire_bytes))
            else:
                self._control(opcode, payload)
            if self.closed is not None:
                break
        return arrivals

    def _control(self, opcode: int, payload: bytes) -> None:
        """Take a frame that is no text message. Raises ProtocolError."""
        if opcode == frames.PING:
            self.outgoing += frames.build_frame(frames.PONG, payload)
        elif opcode == frames.CLOSE:
            self._close(payload)
        elif opcode == frames.BINARY:
            raise ProtocolError("a binary message; events are text")

    def _path(self) -> str:
        return f"/rooms/{self.access.room}/ws"

    def _offer(self) -> str:
        """Header lines of the upgrade request that offer extensions."""
        return ""

    def _agree(self, extensions: bytes | None) -> None:
        """Take the extensions that the server agreed on. Raises ProtocolError."""
        if extensions is not None:
            raise ProtocolError("the server agreed on an extension that was not offered")

    def _greet(self) -> None:
        """Say what comes first once the handshake is over."""
        hello = {"type": "hello", "token": self.access.token}
        if self.position:
            hello["since"] = self.position
        self.outgoing += frames.build_frame(frames.TEXT, msgspec.json.encode(hello))

    def _read(self, payload: bytes) -> Event | None:
        """Read one text message; None for one that is no event. May set `closed`. Raises ProtocolError."""
        return decode_event(payload)

    def _shake_hands(self, data: bytes) -> bytes:
        """Take bytes of the handshake's answer; return those that came after it."""
        self._handshake = (self._handshake or b"") + data
        head = split_head(self._handshake)
        if head is None:
            return b""
        rest, self._handshake = self._handshake[head.size :], None
        if head.status != 101:
            self.closed = Closed(head.status, "handshake refused")
            self.retry_ms = head.retry_after_ms
            return b""
        expected = base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest())
        if head.headers.get(b"sec-websocket-accept") != expected:
            raise ProtocolError("Sec-WebSocket-Accept does not answer our key")
        self._agree(head.headers.get(b"sec-websocket-extensions"))
        self._greet()
        return rest

    def _close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
        self.closed = Closed(code, payload[2:].decode("utf-8", "replace") or "closed by the server")
        # The cut is told once: by this close or by an error event before it, never counted twice.
        self.told_gaps += code == _SLOW_CONSUMER and not self.told_gaps
        self.outgoing += frames.build_frame(frames.CLOSE, payload[:2])
