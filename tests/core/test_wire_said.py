"""The codec: what the server says."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import wire
from core.errors import BadRequest, RateLimited
from core.model import EventType, Position, RoomId, UserId
from tests.core.test_wire import allowed_content, refs

ROOM, ALICE = RoomId("lobby"), UserId("alice")
AT = Position("abcdefgh", 7)


@given(content=allowed_content, ref=st.none() | refs, timestamp_ms=st.integers(0, 1 << 48))
def test_event_is_one_line_of_json_with_the_contracts_fields(content: str, ref: str | None, timestamp_ms: int) -> None:
    body = wire.event_body(ROOM, AT, wire.draft("chat", ALICE, timestamp_ms, content, ref).payload)
    assert b"\n" not in body
    assert b"\r" not in body
    expected = {"type": "chat", "userId": "alice", "timestamp": timestamp_ms, "content": content, "room": "lobby"}
    assert json.loads(body) == expected | {"id": "abcdefgh:7"} | ({} if ref is None else {"ref": ref})


def test_presence_events_carry_no_content() -> None:
    body = wire.event_body(ROOM, AT, wire.draft("user_joined", ALICE, 5).payload)
    assert json.loads(body) == {
        "type": "user_joined",
        "userId": "alice",
        "timestamp": 5,
        "room": "lobby",
        "id": "abcdefgh:7",
    }


@pytest.mark.parametrize("kind", get_args(EventType))
def test_kind_of_a_stored_event_is_that_of_its_draft(kind: EventType) -> None:
    assert wire.stored_kind(wire.draft(kind, ALICE, 5, '"type":"user_left"').payload) == kind


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b'"type":"chat","userId":"alice","timestamp":5,"content":"hi","ref":"r"', "chat"),
        (b'"type":"user_joined","userId":"alice","timestamp":5', "user_joined"),
        (b'"type":"user_left","userId":"alice","timestamp":5', "user_left"),
    ],
)
def test_kind_is_read_from_what_version_0_1_has_stored(payload: bytes, kind: EventType) -> None:
    assert wire.stored_kind(payload) == kind


def test_retry_key_is_that_of_the_same_user_ref_and_content_only() -> None:
    first = wire.draft("chat", ALICE, 1, "hi", "r").retry_key
    assert first is not None
    assert wire.draft("chat", ALICE, 2, "hi", "r").retry_key == first
    others = [
        wire.draft("chat", UserId("bob"), 1, "hi", "r").retry_key,
        wire.draft("chat", ALICE, 1, "ho", "r").retry_key,
        wire.draft("chat", ALICE, 1, "hi", "s").retry_key,
        wire.draft("chat", ALICE, 1, "hi").retry_key,
    ]
    assert first not in others
    assert others[-1] is None


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (
            wire.welcome(ROOM, ALICE, AT, False, 15_000),
            {
                "type": "welcome",
                "room": "lobby",
                "userId": "alice",
                "position": "abcdefgh:7",
                "recovered": False,
                "heartbeatMs": 15_000,
            },
        ),
        (wire.ack(AT, "r"), {"type": "ack", "id": "abcdefgh:7", "ref": "r"}),
        (wire.ack(AT, None), {"type": "ack", "id": "abcdefgh:7"}),
        (wire.accepted(AT, "r"), {"id": "abcdefgh:7", "ref": "r"}),
        (wire.accepted(AT, None), {"id": "abcdefgh:7"}),
        (wire.pong("r"), {"type": "pong", "ref": "r"}),
        (wire.pong(None), {"type": "pong"}),
        (
            wire.resync("history_evicted", AT),
            {"type": "resync", "reason": "history_evicted", "position": "abcdefgh:7"},
        ),
        (wire.error(BadRequest("no")), {"type": "error", "code": "bad_request", "message": "no"}),
        (
            wire.error(RateLimited("slow", ref="r", retry_after_ms=5)),
            {"type": "error", "code": "rate_limited", "message": "slow", "ref": "r", "retryAfterMs": 5},
        ),
    ],
)
def test_what_the_server_says_has_the_contracts_fields(encoded: bytes, expected: dict[str, object]) -> None:
    assert json.loads(encoded) == expected
