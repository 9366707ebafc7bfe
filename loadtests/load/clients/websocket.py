"""The WebSocket client: handshake (RFC 6455 section 4), frames (section 5), `hello` first, then events and answers.

The client masks what it sends; a server's frames come unmasked, and without extensions.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import struct
from typing import NamedTuple

import msgspec

from loadtests.load.clients.base import Access, Arrival, Client, Closed, Event, ProtocolError, decode_event
from loadtests.load.clients.http import split_head

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SLOW_CONSUMER = 4409
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
MAX_MESSAGE_BYTES = 1_048_576

_CONTINUATION = 0x0
_FIN = 0x80
_MASKED = 0x80


class Message(NamedTuple):
    """A whole message or control frame; `wire_bytes` counts all its frames' headers."""

    opcode: int
    payload: bytes
    wire_bytes: int


def build_frame(opcode: int, payload: bytes) -> bytes:
    """Build one final, masked frame."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", _FIN | opcode, _MASKED | size)
    elif size < 65_536:
        head = struct.pack("!BBH", _FIN | opcode, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", _FIN | opcode, _MASKED | 127, size)
    key = secrets.token_bytes(4)
    mask = (key * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return head + key + masked.to_bytes(size, "big")


class FrameParser:
    """Server bytes in, messages out; raises ProtocolError for what RFC 6455 forbids a server."""

    __slots__ = ("_fragments", "_opcode", "_rest", "_wire_bytes")

    def __init__(self) -> None:
        self._rest = b""
        self._fragments = b""
        self._opcode = 0  # of the message whose fragments are being collected; 0: none
        self._wire_bytes = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take received bytes; return the messages completed by them."""
        if self._rest:
            data = self._rest + data
        messages: list[Message] = []
        position, end = 0, len(data)
        while end - position >= 2:
            first, size = data[position], data[position + 1]
            start = position + 2
            if size == 126:
                start += 2
                size = int.from_bytes(data[position + 2 : start], "big")
            elif size == 127:
                start += 8
                size = int.from_bytes(data[position + 2 : start], "big")
            elif size > 127:
                raise ProtocolError("a server's frame must not be masked")
            if start > end:
                break
            if size > MAX_MESSAGE_BYTES:
                raise ProtocolError(f"a frame of {size} bytes; at most {MAX_MESSAGE_BYTES} are expected")
            stop = start + size
            if stop > end:
                break
            if first == _FIN | TEXT and not self._opcode:
                messages.append(Message(TEXT, data[start:stop], stop - position))
            else:
                message = self._uncommon(first, data[start:stop], stop - position)
                if message is not None:
                    messages.append(message)
            position = stop
        self._rest = data[position:]
        return messages

    def _uncommon(self, first: int, payload: bytes, wire_bytes: int) -> Message | None:
        opcode, final = first & 0x0F, bool(first & _FIN)
        if first & 0x70:
            raise ProtocolError("a frame with reserved bits, and no extension was agreed on")
        if opcode in (CLOSE, PING, PONG):
            if not final or len(payload) > 125:
                raise ProtocolError("a control frame must be final and hold at most 125 bytes")
            return Message(opcode, payload, wire_bytes)
        if opcode == _CONTINUATION and not self._opcode:
            raise ProtocolError("a continuation frame without a message to continue")
        if opcode != _CONTINUATION and self._opcode:
            raise ProtocolError("a new message before the fragmented one ended")
        if opcode not in (_CONTINUATION, TEXT, BINARY):
            raise ProtocolError(f"unknown opcode {opcode:#x}")
        return self._collect(opcode, final, payload, wire_bytes)

    def _collect(self, opcode: int, final: bool, payload: bytes, wire_bytes: int) -> Message | None:
        self._opcode = self._opcode or opcode
        self._fragments += payload
        self._wire_bytes += wire_bytes
        if len(self._fragments) > MAX_MESSAGE_BYTES:
            raise ProtocolError(f"a message over {MAX_MESSAGE_BYTES} bytes")
        if not final:
            return None
        message = Message(self._opcode, self._fragments, self._wire_bytes)
        self._opcode, self._fragments, self._wire_bytes = 0, b"", 0
        return message


class WebSocketClient(Client):
    """Duplex: what it publishes travels on the socket that its events come from."""

    __slots__ = ("_handshake", "_key", "_parser")

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._key = base64.b64encode(secrets.token_bytes(16))
        self._handshake: bytes | None = b""  # None once it is over
        self._parser = FrameParser()

    def opening(self) -> bytes:
        """The upgrade request, without a token: the first message carries it, on every WebSocket."""
        return (
            f"GET {self._path()} HTTP/1.1\r\nHost: {self.access.endpoint.authority}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\n{self._offer()}\r\n"
        ).encode("latin-1")

    def publish(self, content: str, ref: str) -> bytes:
        """Build the frame of one `chat`; its answer arrives as an `ack` or `error` event with the same ref."""
        return build_frame(TEXT, msgspec.json.encode({"type": "chat", "content": content, "ref": ref}))

    def leave(self) -> bytes:
        """Build the frame that asks the server to end the membership and close with 1000."""
        return build_frame(TEXT, b'{"type":"leave"}')

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        if self._handshake is not None:
            data = self._shake_hands(data)
            if not data:
                return []
        arrivals: list[Arrival] = []
        for opcode, payload, wire_bytes in self._parser.feed(data):
            if opcode == TEXT:
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
        if opcode == PING:
            self.outgoing += build_frame(PONG, payload)
        elif opcode == CLOSE:
            self._close(payload)
        elif opcode == BINARY:
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

    def _send_hello(self) -> None:
        """Say what comes first once the handshake is over."""
        hello = {"type": "hello", "token": self.access.token}
        if self.position:
            hello["since"] = self.position
        self.outgoing += build_frame(TEXT, msgspec.json.encode(hello))

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
        self._send_hello()
        return rest

    def _close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
        self.closed = Closed(code, payload[2:].decode("utf-8", "replace") or "closed by the server")
        # The server announces the cut once, by this close or by an error event before it, never counted twice.
        self.told_gaps += code == _SLOW_CONSUMER and not self.told_gaps
        self.outgoing += build_frame(CLOSE, payload[:2])
