"""News of joins and leaves: how long it waits for more of them, and what ends the wait."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.transports.direct.batch_room import Room
from tests.transports.direct.sink import FakeSink
from transports.direct.batches import MAX_PRESENCE_HOLD_S

JOINED = b"joined %d"
WRITE_S = 0.001


def crowded() -> tuple[Room, FakeSink]:
    """A room that has just been written to, which took a millisecond."""
    room = Room()
    sink = room.direct()
    plain = sink.subscription.write

    def slow(data: bytes) -> object:
        room.loop.now_s += WRITE_S
        return plain(data)

    sink.subscription.rewire(slow)
    room.publish()
    room.loop.end_turns()
    assert sink.received() == [b"1"]
    return room, sink


def test_joins_alone_wait_for_more_of_their_kind_as_long_as_sixteen_times_the_last_write() -> None:
    room, sink = crowded()
    for _ in range(2):
        room.publish(JOINED, "user_joined")
        room.loop.pass_time(7.9 * WRITE_S)
    assert sink.received() == []
    room.loop.pass_time(0.3 * WRITE_S)
    assert len(sink.received()) == 2
    room.loop.pass_time(1.0)
    room.publish(JOINED, "user_joined")
    room.loop.end_turns()
    assert len(sink.received()) == 1


def test_a_storm_of_joins_without_a_quiet_turn_is_reported_in_time() -> None:
    room = Room()
    sink = room.direct()
    began_s = room.loop.now_s
    while not sink.written and room.loop.now_s < began_s + 1.0:
        room.publish(JOINED, "user_joined")
        room.loop.end_turn()
        room.loop.now_s += 0.001
    assert room.loop.now_s - began_s == pytest.approx(MAX_PRESENCE_HOLD_S, abs=0.002)
    assert len(sink.received()) == room.head


def test_a_storm_of_joins_is_written_in_portions() -> None:
    room = Room()
    sink = room.direct()
    for _ in range(1025):
        room.publish(JOINED, "user_joined")
    assert len(sink.received()) == 1024


def test_a_message_takes_the_joins_before_it_along_at_once() -> None:
    room, sink = crowded()
    room.publish(JOINED, "user_joined")
    room.loop.end_turns()
    room.publish()
    room.loop.end_turns()
    assert sink.received() == [b"joined 2", b"3"]


def test_what_late_ones_do_not_know_of_a_storm_is_not_kept_for_all_of_them() -> None:
    room = Room()
    room.direct()
    for _ in range(100):
        room.publish(b"x" * 10_000, kind="user_joined")
        room.direct().subscription.rewire(len)
    tracemalloc.start()
    try:
        room.fanout.flush()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5_000_000
