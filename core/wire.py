"""Commands and events as bytes: the contract's JSON, both ways. Decoding validates; nothing else does.

An event is encoded once: `draft` makes everything but its id, `event_body` closes it when the offset is known.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from core.errors import BadRequest, RoomError, TooLarge
from core.model import REF_PATTERN, Draft, EventType, Position, ResyncReason, RoomId, UserId

_MESSAGE_CHARACTERS: Final = 160
CONTENT_LIMIT: Final = 4096  # Unicode scalar values

Ref = Annotated[str, Meta(pattern=rf"\A{REF_PATTERN}\Z")]


class _Command(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class Hello(_Command, frozen=True, tag="hello"):
    """The first message of a duplex connection."""

    token: str | UnsetType = UNSET
    since: str | UnsetType = UNSET


class Chat(_Command, frozen=True, tag="chat"):
    """A message to the room; `content` as typed, not yet sanitised. `ref or None` is its ref: none is empty."""

    content: str
    ref: Ref | UnsetType = UNSET


class Ping(_Command, frozen=True, tag="ping"):
    """Answered by a pong with the same `ref`."""

    ref: Ref | UnsetType = UNSET


class Leave(_Command, frozen=True, tag="leave"):
    """Ends the membership and the connection."""


Command = Hello | Chat | Ping | Leave


class TokenBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /session`."""

    token: str


class Handshake(Struct, frozen=True, forbid_unknown_fields=True):
    """The `auth` of a Socket.IO handshake: what a hello and a path say elsewhere."""

    room: str
    token: str | UnsetType = UNSET
    since: str | UnsetType = UNSET


class _ChatBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a POSTed message: a chat command whose `type` may be left out."""

    content: str
    ref: Ref | UnsetType = UNSET
    type: Annotated[str, Meta(pattern=r"\Achat\Z")] | UnsetType = UNSET


T = TypeVar("T")

_command: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_chat_body = msgspec.json.Decoder(_ChatBody)
_token_body = msgspec.json.Decoder(TokenBody)
_handshake = msgspec.json.Decoder(Handshake)

# A whole string, with the colon that makes it a key. Strings are matched whole since a value may begin with a colon.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"[ \t\r\n]*+(:?)')
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def check_size(raw: bytes, max_bytes: int) -> None:
    """Raise TooLarge when a frame or body is over the limit."""
    if len(raw) > max_bytes:
        raise TooLarge(f"{len(raw)} bytes: at most {max_bytes} are allowed")


def decode_command(raw: bytes) -> Command:
    """Decode one frame of a duplex transport. Raises BadRequest for anything outside the contract."""
    command = _decode(_command, raw)
    if isinstance(command, Chat):
        _refuse_repeated_keys(raw, 2 if command.ref is UNSET else 3)
        _check_content(command, raw)
    else:
        _refuse_repeated_keys(raw, 1 + _given(command))
    return command


def decode_chat_body(raw: bytes) -> Chat:
    """Decode the body of a POSTed message. Raises BadRequest."""
    body = _decode(_chat_body, raw)
    _refuse_repeated_keys(raw, _given(body))
    chat = Chat(content=body.content, ref=body.ref)
    _check_content(chat, raw)
    return chat


def decode_token_body(raw: bytes) -> str:
    """Decode the body of `POST /session`. Raises BadRequest."""
    body = _decode(_token_body, raw)
    _refuse_repeated_keys(raw, 1)
    return body.token


def decode_handshake(raw: bytes) -> Handshake:
    """Decode the `auth` of a Socket.IO handshake. Raises BadRequest."""
    handshake = _decode(_handshake, raw)
    _refuse_repeated_keys(raw, _given(handshake))
    return handshake


def _decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    try:
        return decoder.decode(raw)
    except UnicodeDecodeError as error:
        raise BadRequest("not UTF-8") from error
    except msgspec.MsgspecError as error:
        # Its text names the place and what was expected; also what was given, which may be long.
        raise BadRequest(str(error)[:_MESSAGE_CHARACTERS]) from error
    except RecursionError as error:
        raise BadRequest("nested too deeply") from error


def _given(decoded: Struct) -> int:
    return sum(getattr(decoded, field) is not UNSET for field in decoded.__struct_fields__)


def _refuse_repeated_keys(raw: bytes, distinct: int) -> None:
    # The decoder keeps the last of two equal keys; a peer that reads the first would see another message. Each key has
    # a colon: as many as there are distinct keys, and none of them is twice.
    if raw.count(b":") != distinct and sum(1 for colon in _STRING.findall(raw) if colon) != distinct:
        raise BadRequest("a key is given twice")


def _check_content(chat: Chat, raw: bytes) -> None:
    ref = None if chat.ref is UNSET else chat.ref
    if not 1 <= len(chat.content) <= CONTENT_LIMIT:
        raise BadRequest(f"content has {len(chat.content)} characters: 1 to {CONTENT_LIMIT} are allowed", ref=ref)
    # JSON has control characters escaped only (RFC 8259, section 7), which the decoder insists on.
    if b"\\" in raw and _CONTROL.search(chat.content) is not None:
        raise BadRequest(
            "content holds a control character: only tab, newline and carriage return are allowed", ref=ref
        )
    if chat.content.isspace():
        raise BadRequest("content is only white space", ref=ref)


class _Body(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type"):
    pass


class _Draft(Struct, frozen=True, omit_defaults=True, rename="camel"):
    type: EventType
    user_id: str
    timestamp: int  # Unix milliseconds
    content: str | None = None
    ref: str | None = None


class _Welcome(_Body, frozen=True, tag="welcome"):
    room: str
    user_id: str
    position: str
    recovered: bool
    heartbeat_ms: int

    # `recovered` has no default, so that omit_defaults never drops it.


class _Pong(_Body, frozen=True, tag="pong"):
    ref: str | None = None


class _Resync(_Body, frozen=True, tag="resync"):
    reason: ResyncReason
    position: str


class _Error(_Body, frozen=True, tag="error"):
    code: str
    message: str
    ref: str | None = None
    retry_after_ms: int | None = None


_PRESENCE: Final[dict[bytes, EventType]] = {b'"type":"user_joined"': "user_joined", b'"type":"user_left"': "user_left"}
_encode = msgspec.json.Encoder().encode


def draft(
    kind: EventType, user_id: UserId, timestamp_ms: int, content: str | None = None, ref: str | None = None
) -> Draft:
    """Encode everything of an event but its room and id. `content` is sanitised already."""
    payload = _encode(_Draft(kind, user_id, timestamp_ms, content, ref))[1:-1]
    if ref is None or content is None:
        return Draft(kind, user_id, payload)
    # The content is part of the key: a client that counts its refs from 1 again after a reload is not a retry.
    key = blake2b("\0".join((user_id, ref, content)).encode(), digest_size=16).digest()
    return Draft(kind, user_id, payload, key)


def stored_kind(payload: bytes) -> EventType:
    """Read the kind of an event back from a payload in a shared store, where every version writes the type first."""
    return _PRESENCE.get(payload[: payload.find(b",")], "chat")


def event_body(room: RoomId, position: Position, payload: bytes) -> bytes:
    """Close a draft's payload into the event's JSON. Neither a room's name nor an epoch needs escaping."""
    # Each part of a position by itself, here and below: `str` of it is a call, and takes half as long again.
    return b"".join((b"{", payload, f',"room":"{room}","id":"{position.epoch}:{position.offset}"}}'.encode()))


def welcome(room: RoomId, user_id: UserId, position: Position, recovered: bool, heartbeat_ms: int) -> bytes:
    """Encode the first event of every stream."""
    return _encode(_Welcome(room, user_id, str(position), recovered, heartbeat_ms))


def ack(position: Position, ref: str | None) -> bytes:
    """Encode the sender's acknowledgement on a duplex transport."""
    return f'{{"type":"ack","id":"{position.epoch}:{position.offset}"{_ref(ref) if ref else ""}}}'.encode()


def accepted(position: Position, ref: str | None) -> bytes:
    """Encode the answer of a POSTed message: an ack without its type."""
    return f'{{"id":"{position.epoch}:{position.offset}"{_ref(ref) if ref else ""}}}'.encode()


def _ref(ref: str) -> str:
    return f',"ref":"{ref}"'  # its pattern leaves nothing to escape


def pong(ref: str | None) -> bytes:
    """Encode the answer to a ping command."""
    return _encode(_Pong(ref))


def resync(reason: ResyncReason, position: Position) -> bytes:
    """Encode the notice that a stream jumps and the client must reload its state."""
    return _encode(_Resync(reason, str(position)))


def error(failure: RoomError) -> bytes:
    """Encode a refusal."""
    return _encode(_Error(failure.code, failure.message, failure.ref, failure.retry_after_ms))


def optional(value: str | UnsetType) -> str | None:
    """An absent field as None."""
    return None if value is UNSET else value
