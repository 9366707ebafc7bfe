"""The server's events as values, checked field by field against the contract on the way in.

Every client of the kit parses through `parse_event`, so every test of the suite also holds the shape of
every event it happens to see.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import NoReturn

_POSITION = re.compile(r"([A-Za-z0-9]{8,32}):(0|[1-9][0-9]*)", re.ASCII)

_REQUIRED: dict[str, dict[str, type]] = {
    "welcome": {"room": str, "userId": str, "position": str, "recovered": bool, "heartbeatMs": int},
    "user_joined": {"id": str, "room": str, "userId": str, "timestamp": int},
    "user_left": {"id": str, "room": str, "userId": str, "timestamp": int},
    "chat": {"id": str, "room": str, "userId": str, "content": str, "timestamp": int},
    "ack": {"id": str},
    "pong": {},
    "error": {"code": str, "message": str},
    "resync": {"reason": str, "position": str},
}
_OPTIONAL: dict[str, dict[str, type]] = {
    "chat": {"ref": str},
    "ack": {"ref": str},
    "pong": {"ref": str},
    "error": {"ref": str, "retryAfterMs": int},
}
ROOM_EVENTS = frozenset({"user_joined", "user_left", "chat"})
RESYNC_REASONS = frozenset({"epoch_changed", "history_evicted", "position_ahead"})
ERROR_CODES = frozenset(
    {
        "bad_request",
        "unauthorized",
        "forbidden",
        "too_large",
        "rate_limited",
        "slow_consumer",
        "shutting_down",
        "unavailable",
        "not_found",
        "method_not_allowed",
        "upgrade_required",
    }
)


def allowed_fields() -> dict[str, set[str]]:
    """Every event type with the names of all fields it may have."""
    return {kind: {*fields, *_OPTIONAL.get(kind, {})} for kind, fields in _REQUIRED.items()}


class ContractViolationError(AssertionError):
    """A server said something that `docs/protocol.md` does not allow."""


@dataclass(frozen=True, slots=True)
class Position:
    """`epoch:offset`. The suite may count offsets; a client may only compare epochs."""

    epoch: str
    offset: int

    @classmethod
    def parse(cls, text: object) -> Position:
        match = _POSITION.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ContractViolationError(f"not a position: {text!r}, expected epoch:offset")
        return cls(match[1], int(match[2]))

    def plus(self, events: int) -> Position:
        return Position(self.epoch, self.offset + events)

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Event:
    """One server event; `fields` holds everything but `type`."""

    type: str
    fields: dict[str, object]

    def text(self, name: str) -> str:
        value = self.fields[name]
        assert isinstance(value, str), f"{self.type}.{name} is {value!r}, not a string"
        return value

    def number(self, name: str) -> int:
        value = self.fields[name]
        assert isinstance(value, int), f"{self.type}.{name} is {value!r}, not an integer"
        return value

    @property
    def id(self) -> Position:
        return Position.parse(self.fields["id"])

    @property
    def ref(self) -> str | None:
        return self.text("ref") if "ref" in self.fields else None


def _refuse_constant(name: str) -> NoReturn:
    raise ContractViolationError(f"{name} is not JSON")


def parse_object(data: str | bytes) -> dict[str, object]:
    """One JSON object, strictly: no NaN, no duplicate keys."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ContractViolationError(f"duplicate keys in {data!r}")
        return result

    text = data.decode("utf-8") if isinstance(data, bytes) else data
    value: object = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=unique)
    if not isinstance(value, dict):
        raise ContractViolationError(f"expected a JSON object, got {text!r}")
    return value


def check_event(fields: dict[str, object]) -> Event:
    """Hold one decoded object against the contract's table of events."""
    rest = dict(fields)
    kind = rest.pop("type", None)
    if not isinstance(kind, str) or kind not in _REQUIRED:
        raise ContractViolationError(f"unknown event type {kind!r} in {fields!r}")
    allowed = _REQUIRED[kind] | _OPTIONAL.get(kind, {})
    missing = _REQUIRED[kind].keys() - rest.keys()
    if missing or not rest.keys() <= allowed.keys():
        extra = sorted(rest.keys() - allowed.keys())
        raise ContractViolationError(f"{kind}: missing {sorted(missing)}, not in the contract {extra}: {fields!r}")
    for name, value in rest.items():
        if type(value) is not allowed[name]:
            raise ContractViolationError(f"{kind}.{name} is {value!r}, expected {allowed[name].__name__}")
    if "id" in rest:
        Position.parse(rest["id"])
    if "position" in rest:
        Position.parse(rest["position"])
    if kind == "resync" and rest["reason"] not in RESYNC_REASONS:
        raise ContractViolationError(f"unknown resync reason {rest['reason']!r}")
    if kind == "error" and rest["code"] not in ERROR_CODES:
        raise ContractViolationError(f"unknown error code {rest['code']!r}")
    return Event(kind, rest)


def parse_event(data: str | bytes) -> Event:
    """Decode and check one event as it came off the wire."""
    return check_event(parse_object(data))
