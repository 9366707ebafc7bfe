"""The direct path: what one subscriber is answered shares a write with the events of its turn."""

from __future__ import annotations

import sys

from tests.transports.direct.batch_room import Room


def test_an_answer_is_one_write_with_what_the_turn_brings_to_few() -> None:
    room = Room(few=2)
    sink, other = room.direct(), room.direct()
    room.publish()
    for answer in (b"first", b"second"):
        sink.subscription.send_control(answer)
    room.publish()
    room.loop.end_turns()
    assert (sink.written, other.written) == ([b"first\nsecond\n1\n2\n"], [b"1\n2\n"])
    sink.subscription.send_control(b"third")
    assert sink.written[1:] == [b"third\n"]


def test_answers_stay_in_order_when_so_many_join_in_the_turn_that_they_are_no_longer_few() -> None:
    room = Room(few=1)
    sink = room.direct()
    room.publish()
    sink.subscription.send_control(b"first")
    room.direct()
    sink.subscription.send_control(b"second")
    room.loop.end_turn()
    assert sink.written == [b"first\nsecond\n1\n"]


def test_an_answer_to_one_that_ends_goes_out_before_that() -> None:
    room = Room(few=2)
    sink = room.direct()
    room.publish()
    sink.subscription.send_control(b"answer")
    sink.subscription.end()
    assert (sink.written, sink.finished) == ([b"answer\n1\n"], True)


def test_an_answer_does_not_wait_for_a_batch_that_may_wait() -> None:
    for room, kind in (
        (Room(few=0), "chat"),
        (Room(few=2, coalesce_s=0.1), "chat"),
        (Room(few=2), "user_joined"),
        (Room(few=2), None),
    ):
        sink = room.direct()
        if kind is not None:
            room.publish(kind=kind)  # type: ignore[arg-type]
        sink.subscription.send_control(b"answer")
        assert sink.written == [b"answer\n"]


def test_an_answer_to_one_that_has_died_is_not_kept() -> None:
    left = []
    for answered in (False, True):
        room = Room(few=2)
        subscription = room.direct().subscription
        room.publish()
        if answered:
            subscription.send_control(b"answer")
        room.fanout.drop(subscription)
        room.loop.end_turns()
        left.append(sys.getrefcount(subscription))
    assert left[0] == left[1]
