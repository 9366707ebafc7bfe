"""The direct path: sockets that fill, drain, come and go in the middle of a turn, and still hear each event once."""

from __future__ import annotations

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.backplane.base import Lease
from core.errors import ShuttingDown, SlowConsumer
from core.fanout import Fanout
from core.model import Event, Position, Principal, RoomId, UserId
from core.outbox import Outbox
from core.stats import Stats
from core.subscription import Subscription
from tests.core.instances import frame
from tests.core.loop import Loop
from tests.core.sink import FakeSink

ALICE = Principal(UserId("alice"), None, 1e12, "k")
LEASE = Lease(RoomId("lobby"), UserId("alice"), "tab")


class Room:
    """A fan-out with numbered events."""

    def __init__(self, outbox_bytes: int = 1 << 20, coalesce_s: float = 0.0) -> None:
        self.stats = Stats()
        self.loop = Loop()
        self.fanout = Fanout(frame, self.stats, self.loop.pace(coalesce_s))
        self.head = 0
        self._outbox_bytes = outbox_bytes

    def subscriber(self) -> Subscription:
        outbox: Outbox[bytes] = Outbox(self._outbox_bytes)
        subscription = Subscription(ALICE, LEASE, "test", frame, outbox, self.stats, linger=False)
        self.fanout.add(subscription)
        return subscription

    def direct(self, room_for: int = 1_000_000, *, raw: bool = False) -> FakeSink:
        subscription = self.subscriber()
        sink = FakeSink(subscription, room_for, raw=raw)
        subscription.connect(sink)
        return sink

    def publish(self, body: bytes = b"%d") -> list[Subscription]:
        """One more event; the channel cuts those for whom it was too much."""
        self.head += 1
        event = Event(Position("epoch0001", self.head), body.replace(b"%d", b"%d" % self.head))
        slow = self.fanout.push(event, self.fanout.frame(event.body, event.position))
        for subscription in slow:
            self.fanout.remove(subscription)
            subscription.cut()
        return slow


def numbers(lines: list[bytes]) -> list[int]:
    return [int(line) for line in lines]


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
    assert numbers(sink.heard()) == list(range(1, 1001))


def test_queued_and_direct_subscribers_hear_the_same() -> None:
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
    subscription.replay([Event(Position("epoch0001", 0), b"0")])
    room.publish()
    sink = FakeSink(subscription)
    subscription.connect(sink)
    assert numbers(sink.heard()) == [0, 1]
    assert subscription.direct


def test_full_socket_is_queued_for_and_catches_up_in_order() -> None:
    room = Room()
    sink, other = room.direct(room_for=1), room.direct()
    for _ in range(4):
        room.publish()
        room.loop.end_turns()
    assert numbers(sink.heard()) == [1]
    assert numbers(other.heard()) == [1, 2, 3, 4]
    assert not sink.subscription.direct
    sink.drain(room_for=100)
    room.publish()
    room.loop.end_turns()
    assert numbers(sink.heard()) == [2, 3, 4, 5]
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
    assert sink.heard() == other.heard() == [b"event %d" % number for number in range(1, 5)]


def test_full_socket_takes_nothing_and_misses_nothing() -> None:
    room = Room()
    sink = room.direct(room_for=1_000, raw=True)
    sink.room_for = 0
    room.publish()
    room.loop.end_turns()
    room.publish()
    sink.drain(room_for=100)
    assert numbers(sink.heard()) == [1, 2]


def test_socket_that_comes_in_the_middle_of_a_turn_hears_each_event_once() -> None:
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


def test_socket_that_goes_gets_what_its_turn_brought() -> None:
    room = Room()
    sink, other = room.direct(), room.direct()
    room.publish()
    sink.subscription.end(ShuttingDown("bye"))
    room.publish()
    room.loop.end_turns()
    assert numbers(sink.heard()) == [1]
    assert sink.finished
    assert isinstance(sink.reason, ShuttingDown)
    assert numbers(other.heard()) == [1, 2]
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
    assert numbers(sink.heard()) == [1]
    assert numbers(quick.heard()) == list(range(1, 9))
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
    assert numbers(sink.heard()) == [1, 2]


@pytest.mark.parametrize("body", [{"type": "ack"}, {"type": "pong"}])
def test_control_frame_to_a_direct_socket_goes_out_now_and_counts_as_no_delivery(body: dict[str, str]) -> None:
    room = Room()
    sink = room.direct()
    sink.subscription.send_control(json.dumps(body).encode())
    assert [json.loads(line) for line in sink.heard()] == [body]
    assert room.stats.deliveries["test"] == 0


@pytest.mark.parametrize("error", [RuntimeError("a closed transport"), BrokenPipeError(), OSError(9, "closed")])
def test_socket_that_died_unreported_keeps_no_one_from_hearing(error: Exception) -> None:
    room = Room()
    dead, sink = room.direct(), room.direct()

    def fail(data: bytes) -> object:
        raise error

    dead.subscription.rewire(fail)
    room.publish()
    room.loop.end_turns()
    assert numbers(sink.heard()) == [1]


def test_socket_is_written_to_by_other_means_from_now_on() -> None:
    room = Room()
    sink, other = room.direct(), FakeSink(room.subscriber())
    room.publish()
    room.loop.end_turns()
    sink.subscription.rewire(other.write)
    room.publish()
    room.loop.end_turns()
    assert (numbers(sink.heard()), numbers(other.heard())) == ([1], [2])


JOINED = b'{"type":"user_joined","n":%d}'
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
    assert sink.heard() == [b"1"]
    return room, sink


def test_joins_alone_wait_for_more_of_their_kind_as_long_as_eight_times_the_last_write() -> None:
    room, sink = crowded()
    for _ in range(2):
        room.publish(JOINED)
        room.loop.pass_time(3.9 * WRITE_S)
    assert sink.heard() == []
    room.loop.pass_time(0.3 * WRITE_S)
    assert len(sink.heard()) == 2
    room.loop.pass_time(1.0)
    room.publish(JOINED)
    room.loop.end_turns()
    assert len(sink.heard()) == 1


def test_a_message_takes_the_joins_before_it_along_at_once() -> None:
    room, sink = crowded()
    room.publish(JOINED)
    room.loop.end_turns()
    room.publish()
    room.loop.end_turns()
    assert [line[:8] for line in sink.heard()] == [JOINED[:8], b"3"]


class FanoutMachine(RuleBasedStateMachine):
    """Subscribers of both kinds, at any moment of a turn. Each hears a run without holes from where it joined."""

    @initialize(outbox_bytes=st.integers(1, 60))
    def begin(self, outbox_bytes: int) -> None:
        self.room = Room(outbox_bytes)
        self.sinks: list[FakeSink] = []
        self.queued: list[Subscription] = []
        self.next: dict[Subscription, int] = {}

    def check(self, subscription: Subscription, heard: list[int]) -> None:
        first = self.next[subscription]
        assert heard == list(range(first, first + len(heard)))
        self.next[subscription] = first + len(heard)

    @rule(events=st.integers(1, 6))
    def publish(self, events: int) -> None:
        for _ in range(events):
            self.room.publish()

    @rule()
    def end_the_turn(self) -> None:
        self.room.loop.end_turns()

    @rule(room_for=st.integers(1, 4), first=st.booleans(), raw=st.booleans())
    def connect(self, room_for: int, first: bool, raw: bool) -> None:
        subscription = self.room.subscriber()
        self.next[subscription] = self.room.head + 1
        if not first:
            self.room.publish()
        sink = FakeSink(subscription, room_for, raw=raw)
        subscription.connect(sink)
        self.sinks.append(sink)

    @rule()
    def queue(self) -> None:
        subscription = self.room.subscriber()
        self.next[subscription] = self.room.head + 1
        self.queued.append(subscription)

    @precondition(lambda self: self.sinks)
    @rule(data=st.data(), room_for=st.integers(1, 4))
    def drain(self, data: st.DataObject, room_for: int) -> None:
        sink = data.draw(st.sampled_from(self.sinks))
        if not sink.finished and sink.room_for <= 0:
            sink.drain(room_for)

    @precondition(lambda self: self.queued)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        subscription = data.draw(st.sampled_from(self.queued))
        self.check(subscription, numbers(subscription.take_now()))

    @precondition(lambda self: self.sinks)
    @rule(data=st.data(), gone=st.booleans())
    def leave(self, data: st.DataObject, gone: bool) -> None:
        sink = data.draw(st.sampled_from(self.sinks))
        if gone:
            sink.subscription.disconnect()
            sink.room_for = -1
        self.room.fanout.remove(sink.subscription)
        sink.subscription.end()
        self.sinks.remove(sink)
        self.check(sink.subscription, numbers(sink.heard()))

    @invariant()
    def every_socket_heard_a_run_without_holes(self) -> None:
        for sink in self.sinks:
            self.check(sink.subscription, numbers(sink.heard()))

    @invariant()
    def sockets_that_take_bytes_have_all_of_the_last_turn(self) -> None:
        if self.room.loop.idle:
            for sink in self.sinks:
                if sink.subscription.direct:
                    assert self.next[sink.subscription] == self.room.head + 1

    @invariant()
    def what_waits_is_bounded(self) -> None:
        for subscription in self.next:
            assert len(subscription.outbox) <= 1 or subscription.outbox.waiting_bytes <= subscription.outbox.max_bytes


FanoutMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestFanoutMachine = FanoutMachine.TestCase
