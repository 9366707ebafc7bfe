"""The direct path: sockets that go, die or are cut in the middle of a turn, and the others of their room."""

from __future__ import annotations

import json

import pytest

from core.errors import ShuttingDown, SlowConsumer
from core.subscription import Subscription
from tests.transports.direct.batch_room import Room, numbers


def test_socket_that_goes_gets_what_its_turn_brought() -> None:
    room = Room()
    sink, other = room.direct(), room.direct()
    room.publish()
    sink.subscription.end(ShuttingDown("bye"))
    room.publish()
    room.loop.end_turns()
    assert numbers(sink.received()) == [1]
    assert sink.finished
    assert isinstance(sink.reason, ShuttingDown)
    assert numbers(other.received()) == [1, 2]
    room.fanout.remove(sink.subscription)
    room.fanout.remove(sink.subscription)
    assert len(room.fanout) == 1


def test_socket_that_is_gone_is_written_to_no_more() -> None:
    room = Room()
    sink = room.direct()
    sink.subscription.disconnect()
    room.publish()
    room.loop.end_turns()
    assert sink.written == []
    sink.subscription.end()
    assert not sink.finished


def test_stalled_socket_is_cut_at_the_bound_and_finished_at_once() -> None:
    room = Room(outbox_bytes=4)
    sink, quick = room.direct(room_for=1), room.direct()
    cut: list[Subscription] = []
    for _ in range(8):
        cut += room.publish()
        room.loop.end_turns()
    assert cut == [sink.subscription]
    assert isinstance(sink.reason, SlowConsumer)
    assert numbers(sink.received()) == [1]
    assert numbers(quick.received()) == list(range(1, 9))
    assert room.stats.slow_consumers == {"test": 1}
    assert sink.subscription.outbox.waiting_bytes == 0


def test_control_frame_that_finds_no_room_cuts() -> None:
    room = Room(outbox_bytes=4)
    sink = room.direct(room_for=1)
    room.publish()
    room.loop.end_turns()
    sink.subscription.send_control(b"1234")
    sink.subscription.send_control(b"5678")
    assert isinstance(sink.reason, SlowConsumer)
    sink.subscription.cut()
    assert room.stats.slow_consumers == {"test": 1}


def test_end_waits_for_a_full_socket_to_take_the_rest() -> None:
    room = Room()
    sink = room.direct(room_for=1)
    room.publish()
    room.loop.end_turns()
    room.publish()
    sink.subscription.end()
    while_full = sink.finished
    sink.drain(room_for=5)
    assert (while_full, sink.finished, sink.reason) == (False, True, None)
    assert numbers(sink.received()) == [1, 2]


@pytest.mark.parametrize("body", [{"type": "ack"}, {"type": "pong"}])
def test_control_frame_to_a_direct_socket_goes_out_now_and_counts_as_no_delivery(body: dict[str, str]) -> None:
    room = Room()
    sink = room.direct()
    sink.subscription.send_control(json.dumps(body).encode())
    assert [json.loads(line) for line in sink.received()] == [body]
    assert room.stats.deliveries["test"] == 0


def test_socket_that_dies_half_written_to_keeps_no_one_from_hearing() -> None:
    room = Room()
    dying, other, last = room.direct(room_for=1, raw=True), room.direct(room_for=2, raw=True), room.direct(raw=True)

    def fail(data: bytes) -> object:
        raise RuntimeError("a closed transport")

    dying.subscription.rewire(fail, dying.descriptor)
    other.room_for = 1
    room.publish(b"event %d")
    room.loop.end_turns()
    assert other.received() == last.received() == [b"event 1"]


@pytest.mark.parametrize("error", [RuntimeError("a closed transport"), BrokenPipeError(), OSError(9, "closed")])
def test_socket_that_died_unreported_keeps_no_one_from_hearing(error: Exception) -> None:
    room = Room()
    dead, sink = room.direct(), room.direct()

    def fail(data: bytes) -> object:
        raise error

    dead.subscription.rewire(fail)
    room.publish()
    room.loop.end_turns()
    assert numbers(sink.received()) == [1]


def test_descriptor_that_died_unreported_keeps_no_one_from_hearing() -> None:
    room = Room()
    first, dead, last = [room.direct(raw=True) for _ in range(3)]
    dead.dead = True
    for _ in range(2):
        room.publish()
        room.loop.end_turns()
    assert numbers(first.received()) == numbers(last.received()) == [1, 2]
    assert dead.subscription.direct, "its end is for the event loop to report"


@pytest.mark.parametrize("how", ["gone", "ended", "by other means", "removed"])
def test_descriptor_is_written_to_only_as_long_as_its_subscriber_is_direct(how: str) -> None:
    room = Room()
    left, sink = room.direct(raw=True), room.direct(raw=True)
    room.publish()
    room.loop.end_turns()
    assert numbers(left.received()) == [1]
    if how == "gone":
        left.subscription.disconnect()
    elif how == "ended":
        left.subscription.end()
    elif how == "by other means":
        left.subscription.rewire(lambda data: None)
    else:
        room.fanout.remove(left.subscription)
    room.publish()
    room.loop.end_turns()
    assert numbers(left.received()) == []  # the number may be another one's by now
    assert numbers(sink.received()) == [1, 2]
