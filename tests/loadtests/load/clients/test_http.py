from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.clients.base import AddressError, Endpoint, ProtocolError, parse_endpoint
from loadtests.load.clients.http import AnswerParser, ChunkDecoder, build_get, build_post, split_head
from tests.loadtests.load.clients.streams import ACCESS, cut, places

_bodies = st.lists(st.tuples(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=6)), max_size=5)


def _chunked(body: bytes, sizes: list[int]) -> bytes:
    stream = b""
    for size in sizes:
        chunk, body = body[:size], body[size:]
        if chunk:
            stream += b"%X;name=value\r\n%b\r\n" % (len(chunk), chunk)
    if body:
        stream += b"%x\r\n%b\r\n" % (len(body), body)
    return stream + b"0\r\nTrailer: yes\r\n\r\n"


def _answer(body: bytes, sizes: list[int]) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nX-A: b\r\n"
    if sizes:
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(body, sizes)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@given(_bodies, places)
def test_any_split_of_pipelined_answers_gives_the_same_answers(
    bodies: list[tuple[bytes, list[int]]], where: list[int]
) -> None:
    answers = [_answer(body, sizes) for body, sizes in bodies]
    parser = AnswerParser()
    parsed = [answer for piece in cut(b"".join(answers), where) for answer in parser.feed(piece)]
    assert [answer.body for answer in parsed] == [body for body, _ in bodies]
    assert [answer.wire_bytes for answer in parsed] == [len(answer) for answer in answers]


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=6), places)
def test_any_split_of_a_chunked_stream_gives_the_same_bytes_and_overhead(
    body: bytes, sizes: list[int], where: list[int]
) -> None:
    stream = _chunked(body, sizes)
    whole, pieces = ChunkDecoder(), ChunkDecoder()
    at_once = whole.feed(stream + b"next")
    piecewise = [payload for piece in cut(stream, where) for payload in pieces.feed(piece)]
    assert b"".join(payload for payload, _ in piecewise) == body
    assert sum(overhead for _, overhead in piecewise) == sum(overhead for _, overhead in at_once)
    assert whole.done
    assert pieces.done
    assert whole.take_rest() == b"next"
    assert whole.consumed == len(stream)


def test_answers_without_a_body_need_no_length() -> None:
    first, second = AnswerParser().feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 -\r\n\r\nHTTP/1.1 304 -\r\n\r\n")
    assert (first.head.status, second.head.status) == (204, 304)


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"nonsense" * 10_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
    ],
)
def test_what_is_no_answer_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        AnswerParser().feed(stream)


@pytest.mark.parametrize(("value", "expected_ms"), [(b"3", 3000), (b"Wed, 21 Oct 2026 07:28:00 GMT", 0)])
def test_retry_after_is_read_in_seconds(value: bytes, expected_ms: int) -> None:
    head = split_head(b"HTTP/1.1 503 -\r\nRetry-After: " + value + b"\r\n\r\n")
    assert head is not None
    assert head.retry_after_ms == expected_ms


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1:8001", Endpoint("127.0.0.1", 8001)),
        ("http://example.test/", Endpoint("example.test", 80)),
        ("http://[::1]:9", Endpoint("::1", 9)),
        ("https://a:8443", Endpoint("a", 8443, secure=True)),
        ("https://a", Endpoint("a", 443, secure=True)),
    ],
)
def test_a_host_is_read(url: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(url) == endpoint


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8001", "ws://a", "http://", "http://a:99999", "http://a/b", "http://a?b", "http://[::1"]
)
def test_a_host_that_cannot_be_used_is_named_with_what_is_allowed(url: str) -> None:
    with pytest.raises(AddressError, match="host"):
        parse_endpoint(url)


def test_requests_carry_host_and_bearer() -> None:
    request = build_get(ACCESS, "/events", "Accept: x\r\n")
    assert request.startswith(
        b"GET /rooms/lobby/events HTTP/1.1\r\nHost: 127.0.0.1:8001\r\nAuthorization: Bearer header."
    )
    assert request.endswith(b"\r\nAccept: x\r\n\r\n")
    assert build_post(ACCESS, "/messages", b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")
    assert Endpoint("::1", 9).authority == "[::1]:9"
