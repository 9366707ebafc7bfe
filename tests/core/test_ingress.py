"""The ingress: size is checked before everything else, content is sanitised before anything is stored."""

from __future__ import annotations

import json

import pytest

from core import wire
from core.errors import BadRequest, TooLarge
from core.ingress import Ingress
from core.model import Position, Principal, RoomId, UserId

ALICE = Principal(UserId("alice"), None, 1e12, "k")


def padded(size_bytes: int) -> bytes:
    return b'{"type":"chat","content":"hi"}'.ljust(size_bytes)


def test_exactly_the_limit_passes_and_one_byte_more_is_too_large() -> None:
    ingress = Ingress(max_bytes=64)
    assert ingress.command(padded(64)) == wire.Chat("hi")
    assert ingress.chat_body(padded(64)) == wire.Chat("hi")
    for read in (ingress.command, ingress.chat_body):
        with pytest.raises(TooLarge):
            read(padded(65))


def test_size_is_judged_before_the_content() -> None:
    ingress = Ingress(max_bytes=64)
    with pytest.raises(BadRequest):
        ingress.command(b"\xff" * 64)
    with pytest.raises(TooLarge):
        ingress.command(b"\xff" * 65)


def test_draft_is_sanitised_and_in_the_name_of_the_tokens_user() -> None:
    draft = Ingress(64).draft(ALICE, wire.Chat("<b>", "r1"), timestamp_ms=5)
    event = json.loads(wire.event_body(RoomId("lobby"), Position("abcdefgh", 1), draft.payload))
    assert (event["userId"], event["content"], event["ref"], event["timestamp"]) == ("alice", "&lt;b&gt;", "r1", 5)
    assert draft.retry_key is not None
