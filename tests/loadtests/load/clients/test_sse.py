from __future__ import annotations

import pytest
from hypothesis import given

from loadtests.load.clients.base import ProtocolError
from loadtests.load.clients.sse import SseClient
from tests.loadtests.load.clients.streams import ACCESS, cut, places

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
_WELCOME = b'retry: 2000\r\nid: abcdefgh:1\r\ndata: {"type":"welcome","position":"abcdefgh:1"}\r\n\r\n'
_CHATS = [b'id: abcdefgh:%d\r\ndata: {"type":"chat","id":"abcdefgh:%d"}\r\n\r\n' % (n, n) for n in (2, 3, 4)]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_STREAM = _HEAD + _chunk(_WELCOME) + _chunk(b": beat\r\n\r\n") + b"".join(map(_chunk, _CHATS))


@given(places)
def test_any_split_of_the_stream_gives_the_same_events(where: list[int]) -> None:
    whole, pieces = SseClient(ACCESS), SseClient(ACCESS)
    expected = whole.feed(_STREAM)
    arrivals = [arrival for piece in cut(_STREAM, where) for arrival in pieces.feed(piece)]
    assert arrivals == expected
    assert [event.id for event, _ in arrivals] == ["", "abcdefgh:2", "abcdefgh:3", "abcdefgh:4"]
    assert (pieces.position, pieces.welcomed, pieces.retry_ms) == ("abcdefgh:4", True, 2000)


def test_steady_events_cost_their_whole_chunks() -> None:
    sizes = [wire_bytes for _, wire_bytes in SseClient(ACCESS).feed(_STREAM)]
    assert sizes[2:] == [len(_chunk(chat)) for chat in _CHATS[1:]]


def test_the_request_asks_for_a_stream_and_resumes_by_last_event_id() -> None:
    assert b"Last-Event-ID" not in SseClient(ACCESS).opening()
    request = SseClient(ACCESS, "abcdefgh:4").opening()
    assert b"GET /rooms/lobby/events HTTP/1.1\r\n" in request
    assert b"\r\nAccept: text/event-stream\r\n" in request
    assert b"\r\nLast-Event-ID: abcdefgh:4\r\n" in request


def test_a_stream_that_is_not_chunked_lasts_as_long_as_its_connection() -> None:
    client = SseClient(ACCESS)
    arrivals = client.feed(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + _WELCOME)
    assert [event.type for event, _ in arrivals] == ["welcome"]
    client.finish()
    assert client.closed is not None


def test_the_last_chunk_ends_the_stream_after_its_events() -> None:
    client = SseClient(ACCESS)
    assert len(client.feed(_STREAM + b"0\r\n\r\n")) == 4
    assert client.closed is not None
    assert client.closed.retryable


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (403, False), (404, False), (429, True), (503, True)])
def test_a_refusal_says_whether_to_come_back(status: int, retryable: bool) -> None:
    client = SseClient(ACCESS)
    assert client.feed(b"HTTP/1.1 %d No\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}" % status) == []
    assert client.closed is not None
    assert (client.closed.code, client.closed.retryable, client.retry_ms) == (status, retryable, 1000)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: text/html",
        b"X: y",
        b"Content-Type: text/event-stream\r\nContent-Encoding: gzip",
    ],
)
def test_what_is_no_plain_event_stream_is_refused(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        SseClient(ACCESS).feed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
