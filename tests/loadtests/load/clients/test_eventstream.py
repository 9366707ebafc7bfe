from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.clients.base import ProtocolError
from loadtests.load.clients.eventstream import MAX_EVENT_BYTES, EventStreamParser
from tests.loadtests.load.clients.streams import cut, every_byte, places

_lines = st.sampled_from(
    [
        b"data: one",
        b"data:two",
        b"data",
        b": comment",
        b"id: 7",
        b"id: a\0b",
        b"event: x",
        b"retry: 10",
        b"other: y",
        b"",
    ]
)
_streams = st.lists(st.tuples(_lines, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=30)


@given(_streams, places)
def test_any_split_of_the_stream_gives_the_same_events_and_sizes(
    lines: list[tuple[bytes, bytes]], where: list[int]
) -> None:
    stream = b"".join(line + ending for line, ending in lines)
    whole, pieces = EventStreamParser(), EventStreamParser()
    expected = whole.feed(stream)
    assert [event for piece in cut(stream, where) for event in pieces.feed(piece)] == expected
    assert (pieces.last_id, pieces.retry_ms) == (whole.last_id, whole.retry_ms)


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
def test_the_standards_examples(ending: str) -> None:
    stream = (
        "data: YHOO\ndata: +2\ndata: 10\n\n: test stream\n\ndata: first event\nid: 1\n\n"
        "data:second event\nid\n\ndata:  third event\n\n"
    )
    parser = EventStreamParser()
    pieces = every_byte(stream.replace("\n", ending).encode())
    assert [(data, parser.last_id) for piece in pieces for data, _ in parser.feed(piece)] == [
        (b"YHOO\n+2\n10", ""),
        (b"first event", "1"),
        (b"second event", ""),
        (b" third event", ""),
    ]


def test_empty_data_is_an_event_and_no_data_is_none() -> None:
    events = EventStreamParser().feed(b"data\n\ndata\ndata\n\nevent: x\n\ndata:\n\n")
    assert [data for data, _ in events] == [b"", b"\n", b""]


def test_a_byte_order_mark_is_passed_over_at_the_start_only() -> None:
    events = EventStreamParser().feed(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n")
    assert [data for data, _ in events] == [b"a", b"c"]


def test_an_events_size_is_its_own_lines_and_framing_without_comments() -> None:
    parser = EventStreamParser()
    assert parser.feed(b": heartbeat\n\n", overhead=4) == []
    assert parser.feed(b"id: 1\ndata: x\n\n", overhead=4) == [(b"x", 4 + 15)]


def test_an_event_without_end_is_refused() -> None:
    parser = EventStreamParser()
    parser.feed(b"x" * MAX_EVENT_BYTES)
    with pytest.raises(ProtocolError, match="over"):
        parser.feed(b"x")
