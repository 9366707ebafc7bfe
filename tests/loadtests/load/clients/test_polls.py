from __future__ import annotations

import pytest
from hypothesis import given

from loadtests.load.clients.base import ProtocolError
from loadtests.load.clients.polls import LongPollClient, ShortPollClient
from tests.loadtests.load.clients.streams import ACCESS, cut, places


def _answer(position: int, *offsets: int) -> bytes:
    events = b",".join(b'{"type":"chat","id":"abcdefgh:%d"}' % offset for offset in offsets)
    body = b'{"events":[%b],"position":"abcdefgh:%d"}' % (events, position)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@given(places)
def test_any_split_of_an_answer_gives_the_same_events(where: list[int]) -> None:
    client = LongPollClient(ACCESS)
    client.opening()
    arrivals = [arrival for piece in cut(_answer(3, 1, 2, 3), where) for arrival in client.feed(piece)]
    assert [event.id for event, _ in arrivals] == ["abcdefgh:1", "abcdefgh:2", "abcdefgh:3"]
    assert sum(wire_bytes for _, wire_bytes in arrivals) == len(_answer(3, 1, 2, 3))
    assert client.position == "abcdefgh:3"


def test_the_first_poll_answers_at_once_and_the_next_is_held() -> None:
    client = LongPollClient(ACCESS, wait_s=25)
    assert client.opening().startswith(b"GET /rooms/lobby/poll?wait=0 HTTP/1.1\r\n")
    welcomed_before = client.welcomed
    assert client.feed(_answer(5)) == []
    assert (welcomed_before, client.welcomed) == (False, True)
    assert client.take_outgoing().startswith(b"GET /rooms/lobby/poll?since=abcdefgh:5&wait=25 HTTP/1.1\r\n")
    assert client.take_outgoing() == b"", "one poll on the way at most"


def test_a_resume_asks_from_its_position() -> None:
    assert b"?since=abcdefgh:5&wait=0 " in LongPollClient(ACCESS, "abcdefgh:5").opening()


def test_a_short_poll_goes_out_on_the_grid_and_never_twice() -> None:
    client = ShortPollClient(ACCESS)
    assert client.opening()
    assert client.poll() == b"", "the first answer has not come"
    client.feed(_answer(5))
    assert client.take_outgoing() == b"", "it waits for the grid"
    assert client.poll().startswith(b"GET /rooms/lobby/poll?since=abcdefgh:5&wait=0 ")
    assert client.poll() == b""
    client.feed(_answer(6, 6))
    assert client.poll()


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (401, False), (429, True), (503, True)])
def test_a_refused_poll_closes(status: int, retryable: bool) -> None:
    client = LongPollClient(ACCESS)
    client.opening()
    client.feed(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\n{}" % status)
    assert client.closed is not None
    assert (client.closed.code, client.closed.retryable) == (status, retryable)


def test_an_answer_to_nothing_is_refused() -> None:
    client = ShortPollClient(ACCESS)
    client.opening()
    with pytest.raises(ProtocolError, match="nothing was asked"):
        client.feed(_answer(5) + _answer(6))


def test_a_resync_comes_first_and_is_reported() -> None:
    client = LongPollClient(ACCESS, "abcdefgh:5")
    client.opening()
    body = b'{"events":[{"type":"resync","reason":"epoch_changed","position":"ijklmnop:2"}],"position":"ijklmnop:2"}'
    client.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert (client.told_gaps, client.position) == (1, "ijklmnop:2")


def test_a_body_that_is_no_answer_is_refused() -> None:
    client = LongPollClient(ACCESS)
    client.opening()
    with pytest.raises(ProtocolError, match="not a poll answer"):
        client.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
