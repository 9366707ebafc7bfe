from __future__ import annotations

import pytest
from hypothesis import given

from loadtests.load.clients.base import ProtocolError
from loadtests.load.clients.fetchstream import FetchStreamClient
from tests.loadtests.load.clients.streams import ACCESS, cut, places

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
_WELCOME = b'{"type":"welcome","position":"abcdefgh:1"}\n'
_CHATS = [b'{"type":"chat","id":"abcdefgh:%d"}\n' % n for n in (2, 3, 4)]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_STREAM = _HEAD + _chunk(_WELCOME) + _chunk(b"\n") + b"".join(map(_chunk, _CHATS))


@given(places)
def test_any_split_of_the_stream_gives_the_same_events(where: list[int]) -> None:
    whole, pieces = FetchStreamClient(ACCESS), FetchStreamClient(ACCESS)
    expected = whole.feed(_STREAM)
    arrivals = [arrival for piece in cut(_STREAM, where) for arrival in pieces.feed(piece)]
    assert arrivals == expected
    assert [event.id for event, _ in arrivals] == ["", "abcdefgh:2", "abcdefgh:3", "abcdefgh:4"]
    assert (pieces.position, pieces.welcomed) == ("abcdefgh:4", True)


def test_steady_events_cost_their_whole_chunks() -> None:
    sizes = [wire_bytes for _, wire_bytes in FetchStreamClient(ACCESS).feed(_STREAM)]
    assert sizes[2:] == [len(_chunk(chat)) for chat in _CHATS[1:]]


def test_the_request_asks_for_lines_and_resumes_by_since() -> None:
    assert b"since" not in FetchStreamClient(ACCESS).opening()
    request = FetchStreamClient(ACCESS, "abcdefgh:4").opening()
    assert b"GET /rooms/lobby/stream?since=abcdefgh:4 HTTP/1.1\r\n" in request
    assert b"\r\nAccept: application/x-ndjson\r\n" in request


def test_a_line_without_an_end_is_refused() -> None:
    client = FetchStreamClient(ACCESS)
    client.feed(_HEAD)
    with pytest.raises(ProtocolError, match="a line of more than 1048576 bytes"):
        client.feed(_chunk(b"x" * 1_048_577))
