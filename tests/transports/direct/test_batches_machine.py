"""The direct path under any order of joins, writes, full sockets and leaves."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.subscription import Subscription
from tests.transports.direct.batch_room import Room, numbers
from tests.transports.direct.sink import FakeSink


class FanoutMachine(RuleBasedStateMachine):
    """Subscribers of both kinds, at any moment of a turn. Each receives a run without holes from where it joined."""

    @initialize(outbox_bytes=st.integers(1, 60), few=st.sampled_from((0, 2, 16)))
    def begin(self, outbox_bytes: int, few: int) -> None:
        self.room = Room(outbox_bytes, few=few)
        self.sinks: list[FakeSink] = []
        self.queued: list[Subscription] = []
        self.next: dict[Subscription, int] = {}

    def check(self, subscription: Subscription, received: list[int]) -> None:
        first = self.next[subscription]
        assert received == list(range(first, first + len(received)))
        self.next[subscription] = first + len(received)

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
        sink.connect()
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
        self.check(sink.subscription, numbers(sink.received()))

    @invariant()
    def every_socket_received_a_run_without_holes(self) -> None:
        for sink in self.sinks:
            self.check(sink.subscription, numbers(sink.received()))

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
