from __future__ import annotations

import pytest

from loadtests.load.clients.base import Closed, Event, ProtocolError, batch_size, decode_event, offset_of


def test_fields_that_are_not_read_are_passed_over() -> None:
    event = decode_event(b'{"type":"error","code":"rate_limited","retryAfterMs":40,"brandNew":[1]}')
    assert (event.type, event.code, event.retry_after_ms) == ("error", "rate_limited", 40)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"type":1}', b'{"type":"\xff"}'])
def test_what_is_no_event_is_refused_with_its_bytes(raw: bytes) -> None:
    with pytest.raises(ProtocolError, match="not an event"):
        decode_event(raw)


def test_an_offset_is_the_number_behind_the_colon() -> None:
    assert offset_of("abcdefgh:12") == 12


@pytest.mark.parametrize("position", ["", "12", "abcdefgh:", "abcdefgh:x"])
def test_what_is_no_position_is_refused(position: str) -> None:
    with pytest.raises(ProtocolError, match="not a position"):
        offset_of(position)


def test_a_close_reads_as_a_sentence() -> None:
    assert str(Closed(4409, "too slow")) == "too slow (4409)"
    assert str(Closed(0, "ended")) == "ended"


@pytest.mark.parametrize(
    ("types", "size"),
    [
        ("chat", 1),
        ("chat chat", 2),
        ("ack chat", 1),
        ("chat ack", 2),
        ("ack pong chat ack chat", 3),
        ("ack", 0),
        ("", 0),
    ],
)
def test_a_batch_begins_with_the_first_delivery(types: str, size: int) -> None:
    assert batch_size([(Event(type=kind), 1) for kind in types.split()]) == size
