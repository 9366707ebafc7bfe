"""The fault server's Socket.IO: its packets, read and written by python-socketio, whose reading is not our client's.

That is imported for the first packet: it takes longer than all else that a fault server imports, and few need it.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import Any

import msgspec

PATH = "/socket.io/"
OPENING = b'0{"sid":"fault-server","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":16384}'
CONNECTED = b'40{"sid":"fault-server"}'


class Command(msgspec.Struct):
    """What a client's packet asks for: its handshake's `auth`, or a chat with the number its answer is to carry."""

    auth: dict[str, str] | None = None
    chat: dict[str, str] | None = None
    number: int = 0


def read(text: str) -> Command:
    """Read one message of a client; an empty command for what asks for nothing (a pong)."""
    engine, socket = _library()
    message = engine.Packet(encoded_packet=text)
    if message.packet_type != engine.MESSAGE:
        return Command()
    packet = socket.Packet(encoded_packet=message.data)
    if packet.packet_type == socket.CONNECT:
        return Command(auth=packet.data)
    if packet.packet_type == socket.EVENT and packet.data[0] == "chat":
        return Command(chat=packet.data[1], number=packet.id)
    return Command()


@lru_cache(maxsize=256)  # made once for all who get it, or the last of them would get it late
def event(body: bytes) -> bytes:
    """One event of the room as the packet that emits it."""
    return _message("EVENT", data=["event", msgspec.json.decode(body)])


def answer(number: int, body: bytes) -> bytes:
    """The packet that a publication's callback gets."""
    return _message("ACK", data=[msgspec.json.decode(body)], id=number)


def refusal() -> bytes:
    """The packet that refuses a token."""
    error = {"type": "error", "code": "unauthorized", "message": "refused"}
    return _message("CONNECT_ERROR", data={"message": "refused", "data": error})


def _message(kind: str, **fields: Any) -> bytes:
    engine, socket = _library()
    packet = socket.Packet(getattr(socket, kind), **fields)
    encoded: str = engine.Packet(engine.MESSAGE, packet.encode()).encode()
    return encoded.encode()


@cache
def _library() -> tuple[Any, Any]:
    return import_module("engineio.packet"), import_module("socketio.packet")
