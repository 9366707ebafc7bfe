from __future__ import annotations

import pytest
from hypothesis import given

from loadtests.load.clients.base import ProtocolError
from loadtests.load.clients.publish import PublishClient
from tests.loadtests.load.clients.streams import ACCESS, cut, places

_STREAM = (
    b'HTTP/1.1 202 -\r\nContent-Length: 19\r\n\r\n{"id":"abcdefgh:1"}'
    b'HTTP/1.1 429 -\r\nContent-Length: 38\r\n\r\n{"type":"error","code":"rate_limited"}'
    b"HTTP/1.1 502 -\r\nContent-Length: 3\r\n\r\nbad"
)


@given(places)
def test_pipelined_answers_find_their_refs_in_order(where: list[int]) -> None:
    client = PublishClient(ACCESS)
    assert client.opening() == b""
    for message in range(4):
        assert b'{"content":"hi","ref":"0.%d"}' % message in client.publish("hi", f"0.{message}")
    events = [event for piece in cut(_STREAM, where) for event, _ in client.feed(piece)]
    assert [(event.type, event.ref, event.id, event.code) for event in events] == [
        ("ack", "0.0", "abcdefgh:1", ""),
        ("error", "0.1", "", "rate_limited"),
        ("error", "0.2", "", "502"),
    ]
    assert client.unanswered == 1


def test_a_server_that_closes_after_its_answer_is_believed() -> None:
    client = PublishClient(ACCESS)
    client.publish("hi", "0.0")
    client.feed(b'HTTP/1.1 202 -\r\nConnection: close\r\nContent-Length: 19\r\n\r\n{"id":"abcdefgh:1"}')
    assert client.closed is not None


def test_an_answer_to_nothing_is_refused() -> None:
    with pytest.raises(ProtocolError, match="nothing was asked"):
        PublishClient(ACCESS).feed(_STREAM)
