"""The direct path: sockets that fill, drain, come and go within a turn of the loop still get each event once."""

from __future__ import annotations

import pytest

from core.model import Event, Position
from tests.transports.direct.batch_room import Room, numbers
from tests.transports.direct.sink import FakeSink


def test_events_of_one_turn_are_one_write_for_each_direct_socket() -> None:
    room = Room()
    one, two = room.direct(), room.direct()
    for _ in range(3):
        room.publish()
    assert one.written == []
    room.loop.end_turns()
    assert one.written == two.written == [b"1\n2\n3\n"]
    assert room.stats.deliveries == {"test": 6}


def test_event_alone_is_written_at_the_end_of_its_turn() -> None:
    room = Room()
    sink = room.direct()
    room.publish()
    room.loop.end_turns()
    room.publish()
    room.loop.end_turns()
    assert sink.written == [b"1\n", b"2\n"]


def test_a_coalescing_time_joins_the_events_of_many_turns() -> None:
    room = Room(coalesce_s=0.05)
    sink = room.direct()
    for _ in range(3):
        room.publish()
        room.loop.end_turns()
    assert sink.written == []
    room.loop.pass_time(0.05)
    assert sink.written == [b"1\n2\n3\n"]
    room.publish()
    room.loop.pass_time(0.05)
    assert sink.written == [b"1\n2\n3\n", b"4\n"]


def test_a_coalescing_time_is_that_of_its_own_batch() -> None:
    room = Room(coalesce_s=0.05)
    sink, other = room.direct(), room.direct()
    room.publish()
    room.fanout.remove(other.subscription)  # writes the batch before its time
    room.loop.pass_time(0.03)
    room.publish()
    room.loop.pass_time(0.03)
    assert sink.written == [b"1\n"], "the first batch's time says nothing of the second"
    room.loop.pass_time(0.05)
    assert sink.written == [b"1\n", b"2\n"]


def test_long_turn_is_written_in_portions() -> None:
    room = Room()
    sink = room.direct()
    for _ in range(1000):
        room.publish()
    assert len(sink.written) > 1
    room.loop.end_turns()
    assert numbers(sink.received()) == list(range(1, 1001))


def test_queued_and_direct_subscribers_receive_the_same() -> None:
    room = Room()
    queued, sink = room.subscriber(), room.direct()
    room.publish()
    room.publish()
    room.loop.end_turns()
    assert queued.take_now() == [b"1\n", b"2\n"]
    assert sink.written == [b"1\n2\n"]
    assert len(room.fanout) == 2
    assert set(room.fanout) == {queued, sink.subscription}


def test_what_waited_goes_out_when_the_socket_connects() -> None:
    room = Room()
    subscription = room.subscriber()
    subscription.replay([Event(Position("epoch0001", 0), b"0", "chat")])
    room.publish()
    sink = FakeSink(subscription)
    sink.connect()
    assert numbers(sink.received()) == [0, 1]
    assert subscription.direct


def test_who_knows_the_first_of_a_batch_is_written_the_rest_and_counted_for_each_event_once() -> None:
    room = Room()
    sink = room.direct()
    late = room.subscriber()
    room.publish()
    late_sink = FakeSink(late)
    late_sink.connect()
    assert numbers(late_sink.received()) == [1]
    room.publish()
    room.loop.end_turns()
    assert (numbers(sink.received()), numbers(late_sink.received())) == ([1, 2], [2])
    assert room.stats.deliveries == {"test": 4}


def test_full_socket_is_queued_for_and_catches_up_in_order() -> None:
    room = Room()
    sink, other = room.direct(room_for=1), room.direct()
    for _ in range(4):
        room.publish()
        room.loop.end_turns()
    assert numbers(sink.received()) == [1]
    assert numbers(other.received()) == [1, 2, 3, 4]
    assert not sink.subscription.direct
    sink.drain(room_for=100)
    room.publish()
    room.loop.end_turns()
    assert numbers(sink.received()) == [2, 3, 4, 5]
    assert room.stats.deliveries == {"test": 10}


def test_what_a_socket_does_not_take_at_once_waits_and_nothing_overtakes_it() -> None:
    room = Room()
    sink, other = room.direct(room_for=2, raw=True), room.direct(raw=True)
    for _ in range(3):
        room.publish(b"event %d")
        room.loop.end_turns()
    assert sink.written == [b"event 1\n", b"even", b"t 2\n"]
    assert not sink.subscription.direct
    sink.drain(room_for=100)
    room.publish(b"event %d")
    room.loop.end_turns()
    assert sink.received() == other.received() == [b"event %d" % number for number in range(1, 5)]


def test_full_socket_takes_nothing_and_misses_nothing() -> None:
    room = Room()
    sink = room.direct(room_for=1_000, raw=True)
    sink.room_for = 0
    room.publish()
    room.loop.end_turns()
    room.publish()
    sink.drain(room_for=100)
    assert numbers(sink.received()) == [1, 2]


def test_socket_that_comes_in_the_middle_of_a_turn_receives_each_event_once() -> None:
    room = Room()
    room.direct()
    room.publish()
    late = room.direct()
    room.publish()
    room.publish()
    room.loop.end_turns()
    room.publish()
    room.loop.end_turns()
    assert late.written == [b"2\n3\n", b"4\n"], "one write for what its first batch still brought"


def test_socket_is_written_to_by_other_means_from_now_on() -> None:
    room = Room()
    sink, other = room.direct(), FakeSink(room.subscriber())
    room.publish()
    room.loop.end_turns()
    sink.subscription.rewire(other.write)
    room.publish()
    room.loop.end_turns()
    assert (numbers(sink.received()), numbers(other.received())) == ([1], [2])


def test_few_are_written_to_at_the_end_of_the_turn_and_many_after_one_without_news() -> None:
    for few, turns in ((2, 1), (1, 2)):
        room = Room(few=few)
        sink, _ = room.direct(), room.direct()
        room.publish()
        for _ in range(turns):
            assert sink.written == []
            room.loop.end_turn()
        assert numbers(sink.received()) == [1]


@pytest.mark.parametrize("late", [False, True])
def test_what_the_turn_brought_waits_behind_what_fills_the_socket(late: bool) -> None:
    room = Room()
    other = room.direct(raw=True)
    if late:
        room.publish()
    sink = room.direct(room_for=1, raw=True)
    room.publish()
    sink.subscription.send_control(b"answer")  # no batch of many waits for that
    assert sink.received() == [b"answer", b"%d" % room.head]
    assert numbers(other.received()) == list(range(1, room.head + 1))
    assert room.stats.deliveries["test"] == room.head + 1
