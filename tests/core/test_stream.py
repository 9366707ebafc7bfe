"""History of one room: a state machine with hostile positions, and the merge of history and live."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.model import Draft, Event, Position, RoomId, Unrecoverable, UserId
from core.stream import Stream, merge

ROOM, EPOCH, FOREIGN = RoomId("lobby"), "epoch0001", "epoch0002"


def numbered(count: int) -> Draft:
    return Draft("chat", UserId("alice"), b'"n":%d' % count)


class StreamMachine(RuleBasedStateMachine):
    """Against a list that forgets nothing, and a count of what the bounds allow to be forgotten."""

    @initialize(max_events=st.integers(1, 8), max_age_s=st.floats(0.5, 20.0))
    def begin(self, max_events: int, max_age_s: float) -> None:
        self.max_events, self.max_age_s = max_events, max_age_s
        self.stream = Stream(ROOM, EPOCH, max_events, max_age_s)
        self.appended_s: list[float] = []
        self.now_s = 50.0

    @rule(seconds=st.floats(0.0, 10.0))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def append(self) -> None:
        self.appended_s.append(self.now_s)
        event = self.stream.append(numbered(len(self.appended_s)), self.now_s)
        assert event.position == Position(EPOCH, len(self.appended_s))

    @rule()
    def trim(self) -> None:
        self.stream.trim(self.now_s)

    def held(self) -> int:
        young = [at_s for at_s in self.appended_s if at_s > self.now_s - self.max_age_s]
        return min(len(young), self.max_events)

    @rule(offset=st.integers(0, 30))
    def read_from_a_position(self, offset: int) -> None:
        head = len(self.appended_s)
        begin = Position(EPOCH, head - self.held())
        given = self.stream.since(Position(EPOCH, offset), self.now_s)
        if offset > head:
            assert given == Unrecoverable("position_ahead", Position(EPOCH, head), begin)
        elif offset < begin.offset:
            assert given == Unrecoverable("history_evicted", Position(EPOCH, head), begin)
        else:
            assert not isinstance(given, Unrecoverable)
            assert [event.position.offset for event in given] == list(range(offset + 1, head + 1))
            assert [json.loads(event.body)["n"] for event in given] == list(range(offset + 1, head + 1))

    @rule(offset=st.integers(0, 30))
    def read_from_a_foreign_epoch(self, offset: int) -> None:
        given = self.stream.since(Position(FOREIGN, offset), self.now_s)
        begin = Position(EPOCH, len(self.appended_s) - self.held())
        assert given == Unrecoverable("epoch_changed", self.stream.head, begin)

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.stream) <= self.max_events
        assert self.stream.head == Position(EPOCH, len(self.appended_s))
        assert self.stream.first_offset == len(self.appended_s) - len(self.stream) + 1


StreamMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40)
TestStreamMachine = StreamMachine.TestCase


def test_event_is_dropped_at_its_age_and_the_head_stays_known() -> None:
    stream = Stream(ROOM, EPOCH, 10, 5.0)
    stream.append(numbered(1), 0.0)
    assert len(stream.since(Position(EPOCH, 0), 4.999)) == 1  # type: ignore[arg-type]
    head = Position(EPOCH, 1)
    assert stream.since(Position(EPOCH, 0), 5.0) == Unrecoverable("history_evicted", head, head)
    assert stream.since(Position(EPOCH, 1), 5.0) == ()


def events(*offsets: int) -> list[Event]:
    return [Event(Position(EPOCH, offset), b"{}", "chat") for offset in offsets]


@pytest.mark.parametrize(
    ("since", "history", "live", "head", "merged"),
    [
        (0, [], [], 0, []),
        (0, [1, 2], [], 2, [1, 2]),
        (0, [1, 2], [2, 3], 3, [1, 2, 3]),
        (3, [], [4, 5], 5, [4, 5]),
        (0, [1, 2, 3, 4], [2, 3], 3, [1, 2, 3]),
        (0, [1, 2], [3, 4], 3, [1, 2, 3]),
        (5, [], [4, 5], 5, []),  # this instance received late what the client had received elsewhere
        (4, [], [4, 5], 5, [5]),
        (0, [1, 2], [4], 4, None),  # the stream jumped meanwhile
        (0, [1, 2], [], 4, None),
        (5, [], [], 3, None),
    ],
)
def test_merge_gives_each_event_once_up_to_the_head_or_nothing(
    since: int, history: list[int], live: list[int], head: int, merged: list[int] | None
) -> None:
    expected = None if merged is None else events(*merged)
    assert merge(Position(EPOCH, since), events(*history), events(*live), Position(EPOCH, head)) == expected


def test_merge_never_joins_two_lives_of_a_room() -> None:
    assert merge(Position(FOREIGN, 0), [], events(1), Position(EPOCH, 1)) is None
    later = [Event(Position(FOREIGN, 3), b"{}", "chat")]
    assert merge(Position(EPOCH, 1), events(2), later, Position(EPOCH, 3)) is None


@given(data=st.data(), head=st.integers(1, 30))
def test_merge_of_overlapping_runs_has_no_hole_and_no_repeat(data: st.DataObject, head: int) -> None:
    since = data.draw(st.integers(0, head))
    read_to = data.draw(st.integers(since, head + 3))
    live_from = data.draw(st.integers(1, min(read_to, head) + 1))
    history, live = events(*range(since + 1, read_to + 1)), events(*range(live_from, head + 1))
    assert merge(Position(EPOCH, since), history, live, Position(EPOCH, head)) == events(*range(since + 1, head + 1))
