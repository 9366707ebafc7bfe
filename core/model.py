"""The values that everything else passes around. Frozen; no behaviour beyond their own text form.

Those that each message or poll makes are msgspec's: a frozen dataclass sets its fields one by one, in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NewType

from msgspec import Struct

from core.errors import BadRequest, NotFound

RoomId = NewType("RoomId", str)
UserId = NewType("UserId", str)

ROOM_PATTERN = r"[A-Za-z0-9_.-]{1,64}"
USER_PATTERN = r"[A-Za-z0-9_.@-]{1,64}"
REF_PATTERN = r"[A-Za-z0-9_.:-]{1,64}"

_ROOM = re.compile(ROOM_PATTERN)
_USER = re.compile(USER_PATTERN)
# Sixteen digits hold any count of events a room can reach, and stay exact in a JavaScript number.
_POSITION = re.compile(r"([A-Za-z0-9]{8,32}):(0|[1-9][0-9]{0,15})")


def room_id(text: str) -> RoomId:
    """Check a room name. Raises NotFound: a name outside the pattern is a room that cannot exist."""
    if _ROOM.fullmatch(text) is None:
        raise NotFound(f"no such room: a room name matches {ROOM_PATTERN}")
    return RoomId(text)


def is_user_id(text: str) -> bool:
    """Whether `text` can be a user id."""
    return _USER.fullmatch(text) is not None


class Position(Struct, frozen=True, gc=False):
    """A place in a room's history: after the `offset`-th event of the life named `epoch`."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    @staticmethod
    @lru_cache(maxsize=256)  # those who were answered together come back from the same
    def parse(text: str) -> Position:
        """Read `epoch:offset`. Raises BadRequest when malformed; whether it can be honoured is another question."""
        match = _POSITION.fullmatch(text)
        if match is None:
            raise BadRequest("malformed position: it looks like epoch:offset, as the server gave it")
        return Position(match[1], int(match[2]))


EventType = Literal["chat", "user_joined", "user_left"]
FrameKind = EventType | Literal["resync", "notice"]
"""What a frame carries: an event, a jump of the stream, or a notice to one client (welcome, ack, pong, error)."""


class Draft(Struct, frozen=True, gc=False):
    """An event on its way to its offset.

    `payload` is everything but room and id, encoded: the inside of a JSON object without its braces, so that the
    id can be appended without decoding. `retry_key` is equal for a publish and its retries; None without a `ref`.
    """

    kind: EventType
    user_id: UserId
    payload: bytes
    retry_key: bytes | None = None


class Event(Struct, frozen=True, gc=False):
    """One event of a room: `body` is its UTF-8 JSON, encoded once for all who get it."""

    position: Position
    body: bytes
    kind: EventType

    @property
    def is_presence(self) -> bool:
        """Whether somebody joined or left; else it is a message."""
        return self.kind != "chat"


class Published(Struct, frozen=True, gc=False):
    """The outcome of a publish: where the event stands; `repeated` when an earlier try had already stored it."""

    position: Position
    repeated: bool = False


ResyncReason = Literal["epoch_changed", "history_evicted", "position_ahead"]


class Unrecoverable(Struct, frozen=True, gc=False):
    """Why history cannot continue from a position, where the room stands now, and from where all that is left follows:
    `begin` is the place before the oldest event that is kept, the head when none is.
    """

    reason: ResyncReason
    head: Position
    begin: Position


class Start(Struct, frozen=True, gc=False):
    """Where a stream starts: the given position when `recovered`, else the head, and why a resume failed."""

    position: Position
    recovered: bool
    resync: ResyncReason | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a room, over all instances."""

    user_id: UserId
    connections: int


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a verified token speaks for.

    `rooms` is None when the token opens every room. `expires_at_s` is Unix time. `token_key` identifies the token
    without giving it away: it names a poller's lease and is safe to log.
    """

    user_id: UserId
    rooms: frozenset[str] | None
    expires_at_s: float
    token_key: str

    def may_enter(self, room: RoomId) -> bool:
        """Whether the token lists the room."""
        return self.rooms is None or room in self.rooms


# What a transport sends for a body. The position is the stream's after it; None for a notice, which has no place in it.
# The result is opaque to the hub; it is made once per event and transport, and shared by all subscribers.
Framing = Callable[[bytes, Position | None, FrameKind], Any]
