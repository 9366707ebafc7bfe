"""The bound of what waits: a state machine against a plain list."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.outbox import Outbox


class OutboxMachine(RuleBasedStateMachine):
    """Frames are numbered; what was taken and what was refused is remembered."""

    @initialize(max_bytes=st.integers(1, 200))
    def begin(self, max_bytes: int) -> None:
        self.outbox: Outbox[int] = Outbox(max_bytes)
        self.waiting: list[tuple[int, int, int]] = []  # frame, size, events
        self.numbered = 0
        self.peak_bytes = 0

    @rule(size_bytes=st.integers(0, 300), events=st.integers(0, 3))
    def push(self, size_bytes: int, events: int) -> None:
        before_bytes = sum(size for _, size, _ in self.waiting)
        fits = not self.waiting or before_bytes + size_bytes <= self.outbox.max_bytes
        self.numbered += 1
        assert self.outbox.push(self.numbered, size_bytes, events) is fits
        if fits:
            self.waiting.append((self.numbered, size_bytes, events))
            self.peak_bytes = max(self.peak_bytes, before_bytes + size_bytes)

    @rule()
    def take(self) -> None:
        frames, events = self.outbox.take()
        assert frames == [frame for frame, _, _ in self.waiting]
        assert events == sum(events for _, _, events in self.waiting)
        self.waiting = []

    @rule()
    def clear(self) -> None:
        self.outbox.clear()
        self.waiting = []

    @invariant()
    def it_knows_what_waits(self) -> None:
        assert len(self.outbox) == len(self.waiting)
        assert self.outbox.waiting_bytes == sum(size for _, size, _ in self.waiting)
        assert self.outbox.peak_bytes == self.peak_bytes

    @invariant()
    def more_than_one_frame_never_waits_over_the_bound(self) -> None:
        assert len(self.outbox) <= 1 or self.outbox.waiting_bytes <= self.outbox.max_bytes


OutboxMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40)
TestOutboxMachine = OutboxMachine.TestCase


def test_frame_over_the_bound_is_taken_when_nothing_waits() -> None:
    outbox: Outbox[str] = Outbox(10)
    assert outbox.push("large", 50, 1)
    assert not outbox.push("small", 0, 1)
    assert outbox.take() == (["large"], 1)
