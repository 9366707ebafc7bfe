"""WebSocket frames (RFC 6455 section 5), the client's side: masked out, unmasked in, no extension."""

from __future__ import annotations

import secrets
import struct
from typing import NamedTuple

from loadtests.load.clients.errors import ProtocolError

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
