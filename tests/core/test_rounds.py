"""Pollers answered together: who joins which round, how long it is held, and that nobody misses or repeats an event."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.backplane.base import Lease
from core.channel import Channel
from core.fanout import Fanout
from core.model import Event, Position, Principal, RoomId, UserId
from core.outbox import Outbox
from core.rounds import Rounds
from core.settings import Settings
from core.stats import Stats
from core.subscription import Answer, Framing, Subscription
from tests.core.instances import frame
from tests.core.loop import Loop
from tests.core.sink import Together

ALICE = Principal(UserId("alice"), None, 1e12, "k")
LEASE = Lease(RoomId("lobby"), UserId("alice"), "poll-k")
EPOCH = "epoch0001"
WRITE_S = 0.001  # what answering one poller takes
JOINED = b'{"type":"user_joined"'


class Poller:
    """A client that polls: what it was told, and up to where."""

    descriptor = None

    def __init__(self, room: Room, *, asks_where: bool = False) -> None:
        """It waits; or it has asked where to begin, was answered at once, and is on its way back."""
        self._room = room
        self.at = room.head
        self.told: list[list[int]] = []
        self.waits = False
        outbox: Outbox[bytes] = Outbox(1 << 20)
        self.subscription = Subscription(ALICE, LEASE, "poll", frame, outbox, room.stats, answer=Together())
        self.subscription.start = room.register(self.subscription)
        if asks_where:
            assert room.channel.withdraw(self.subscription)
        self.subscription.connect(self)
        self.waits = not asks_where

    def write(self, data: bytes) -> None:
        self._room.loop.now_s += WRITE_S
        self.waits = False
        self.hear([int(line.removeprefix(JOINED)) for line in data.split()])

    def finish(self, reason: object) -> None:
        raise AssertionError("nothing ends a poll here")

    def hear(self, offsets: list[int]) -> None:
        assert offsets == list(range(self.at + 1, self.at + 1 + len(offsets)))
        assert offsets
        self.told.append(offsets)
        self.at = offsets[-1]

    def come_back(self) -> None:
        assert not self.waits
        missed = self._room.channel.resume(self.subscription, Position(EPOCH, self.at), self._room.loop.now_s)
        assert missed is not None
        self.waits = not missed
        if missed:
            self.hear([event.position.offset for event in missed])


class Room:
    """One channel, with a head, and pollers on it."""

    def __init__(self, coalesce_s: float = 0.0) -> None:
        self.loop = Loop()
        self._coalesce_s = coalesce_s
        self.stats = Stats()
        self.head = 0
        backplane: Any = _Followed()
        self.channel = Channel(
            RoomId("lobby"), backplane, Settings(), lambda: self.loop.now_s, self._rounds, lambda: None
        )
        asyncio.run(self.channel.open())

    def _rounds(self, framing: Framing, answer: Answer | None) -> Fanout:
        assert answer is not None
        return Rounds(framing, self.stats, self.loop.outside(self._coalesce_s), answer)

    def register(self, subscription: Subscription) -> Any:
        self.stats.connections["poll"] += 1
        asyncio.run(self.channel.add(subscription, Position(EPOCH, self.head)))
        return subscription.start

    def publish(self, times: int = 1, kind: bytes = b"") -> None:
        for _ in range(times):
            self.head += 1
            self.channel.receive(Event(Position(EPOCH, self.head), b"%b%d " % (kind, self.head)))


def come_back_together(room: Room, pollers: list[Poller]) -> bool:
    """Whether pollers who have been told the same are let in as one."""
    since = Position(EPOCH, pollers[-1].at)
    let_in = room.channel.resume_all([poller.subscription for poller in pollers], since, room.loop.now_s)
    for poller in pollers:
        poller.waits |= let_in
    return let_in


class _Followed:
    async def subscribe(self, room: RoomId) -> Position:
        return Position(EPOCH, 0)


def told(pollers: list[Poller]) -> list[list[list[int]]]:
    return [poller.told for poller in pollers]


def answered_once(count: int) -> tuple[Room, list[Poller]]:
    """A room whose pollers have just been told event 1 and are all on their way back."""
    room = Room()
    pollers = [Poller(room) for _ in range(count)]
    room.publish()
    room.loop.end_turns()
    assert told(pollers) == [[[1]]] * count
    return room, pollers


def test_a_coalescing_time_answers_with_all_it_brought() -> None:
    room = Room(coalesce_s=0.01)
    pollers = [Poller(room) for _ in range(2)]
    for _ in range(3):
        room.publish()
        room.loop.pass_time(0.003)
    assert told(pollers) == [[], []]
    room.loop.pass_time(0.003)
    assert told(pollers) == [[[1, 2, 3]]] * 2
    room.publish()
    for poller in pollers:
        poller.come_back()
    room.loop.pass_time(0.003)
    assert told(pollers) == [[[1, 2, 3]]] * 2
    room.loop.pass_time(0.01)
    assert told(pollers) == [[[1, 2, 3], [4]]] * 2


def test_a_round_waits_for_those_who_are_on_their_way_back() -> None:
    room, pollers = answered_once(3)
    pollers[0].come_back()
    room.publish(2)
    room.loop.end_turns()
    pollers[1].come_back()
    room.publish()
    room.loop.end_turns()
    assert told(pollers) == [[[1]]] * 3
    pollers[2].come_back()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2, 3, 4]]] * 3


def test_a_round_that_begins_with_nobody_back_is_theirs_too() -> None:
    room, pollers = answered_once(2)
    room.publish(2)
    for poller in pollers:
        poller.come_back()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2, 3]]] * 2


def test_it_waits_at_most_twice_as_long_as_the_last_one_took() -> None:
    room, pollers = answered_once(3)
    pollers[0].come_back()
    room.publish()
    room.loop.pass_time(5.9 * WRITE_S)
    assert told(pollers) == [[[1]]] * 3
    room.loop.pass_time(0.2 * WRITE_S)
    assert told(pollers) == [[[1], [2]], [[1]], [[1]]]
    pollers[1].come_back()
    assert told(pollers) == [[[1], [2]], [[1], [2]], [[1]]]


def test_those_who_missed_a_round_and_were_told_by_themselves_are_waited_for_too() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.publish()
    room.loop.pass_time(1.0)
    pollers[1].come_back()
    assert told(pollers) == [[[1], [2]]] * 2
    assert [poller.waits for poller in pollers] == [False, False]
    pollers[0].come_back()
    room.publish()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2]]] * 2, "the crowd would stay torn"
    pollers[1].come_back()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2], [3]]] * 2


def test_a_round_has_no_hole_when_the_time_runs_out_before_anybody_is_back() -> None:
    room, pollers = answered_once(1)
    room.publish()
    room.loop.now_s += 1.0  # before the timer rings
    room.publish()
    pollers[0].come_back()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2, 3]]]


def test_nothing_is_held_once_everybody_is_back_or_the_time_is_over() -> None:
    room, pollers = answered_once(2)
    for poller in pollers:
        poller.come_back()
    room.publish()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2]]] * 2
    pollers[0].come_back()
    room.loop.pass_time(1.0)
    room.publish()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2], [3]], [[1], [2]]]


def test_one_that_is_further_behind_is_told_up_to_where_the_others_wait() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.loop.pass_time(0.1)
    room.publish()
    room.loop.end_turns()
    pollers[0].come_back()
    room.loop.pass_time(0.1)
    room.publish()
    pollers[1].come_back()  # at 1, while 3 is still to be told
    assert told(pollers) == [[[1], [2]], [[1], [2]]]
    pollers[1].come_back()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2], [3]]] * 2


def test_those_who_know_part_of_what_the_others_wait_for_get_the_rest_with_them() -> None:
    room, pollers = answered_once(4)
    pollers[0].come_back()
    room.publish(2)
    pollers[1].hear([2])  # on another instance
    pollers[2].hear([2, 3])
    for poller in pollers[1:3]:
        poller.come_back()
    assert told(pollers[:3]) == [[[1]], [[1], [2]], [[1], [2, 3]]]
    pollers[3].come_back()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2, 3]], [[1], [2], [3]], [[1], [2, 3]], [[1], [2, 3]]]
    assert pollers[2].waits
    room.publish()
    room.loop.pass_time(3 * 2 * WRITE_S)
    assert pollers[2].told == [[1], [2, 3], [4]]


def test_news_of_who_came_waits_longer_for_those_who_are_on_their_way_back() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.publish(kind=JOINED)
    room.loop.pass_time(0.19)
    room.publish(kind=JOINED)
    assert told(pollers) == [[[1]]] * 2
    pollers[1].come_back()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2, 3]]] * 2
    pollers[0].come_back()
    room.publish(kind=JOINED)
    room.loop.pass_time(0.21)
    assert told(pollers) == [[[1], [2, 3], [4]], [[1], [2, 3]]]


def test_a_message_takes_the_news_of_who_came_along_in_its_own_time() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.publish(kind=JOINED)
    room.loop.pass_time(0.05)
    room.publish()
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2, 3]], [[1]]]


def test_a_room_with_events_by_the_dozen_bounds_a_round() -> None:
    room, pollers = answered_once(2)
    pollers[0].come_back()
    room.publish(256)
    assert [len(each) for each in pollers[0].told] == [1, 256]


def test_a_crowd_comes_back_together_or_not_at_all() -> None:
    room, pollers = answered_once(3)
    room.publish()
    assert come_back_together(room, pollers)
    assert not come_back_together(room, pollers[:1]), "it waits"
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2]]] * 3
    room.publish(2)
    pollers[0].hear([3])  # on another instance
    pollers[0].come_back()
    assert not come_back_together(room, pollers), "one of them waits for a part"
    assert come_back_together(room, pollers[1:])
    room.loop.end_turns()
    assert told(pollers) == [[[1], [2], [3], [4]], *[[[1], [2], [3, 4]]] * 2]


def test_news_of_who_came_waits_for_pollers_who_have_just_come_themselves() -> None:
    room = Room()
    pollers = []
    for _ in range(3):
        pollers.append(Poller(room, asks_where=True))
        room.publish(kind=JOINED)
        room.loop.end_turns()
    for poller in pollers:
        poller.come_back()
    room.loop.end_turns()
    assert told(pollers) == [[[1, 2, 3]], [[2, 3]], [[3]]], "each would be told by itself, come back late, and so on"


class PollMachine(RuleBasedStateMachine):
    """Pollers come back at any moment. Each hears a run without holes; `Poller.hear` holds every answer to it."""

    @initialize()
    def begin(self) -> None:
        self.room = Room()
        self.pollers: list[Poller] = []

    @rule(asks_where=st.booleans())
    def arrive(self, asks_where: bool) -> None:
        self.pollers.append(Poller(self.room, asks_where=asks_where))

    @rule(events=st.integers(1, 5), kind=st.sampled_from([b"", JOINED]))
    def publish(self, events: int, kind: bytes) -> None:
        if self.pollers and self.room.head - min(poller.at for poller in self.pollers) < 50:
            self.room.publish(events, kind)

    @rule()
    def end_the_turn(self) -> None:
        self.room.loop.end_turns()

    @rule(milliseconds=st.integers(1, 30))
    def pass_time(self, milliseconds: int) -> None:
        self.room.loop.pass_time(milliseconds / 1000)

    @precondition(lambda self: any(not poller.waits for poller in self.pollers))
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        away = [poller for poller in self.pollers if not poller.waits]
        if self.room.loop.now_s < 1000.9:  # after a second only the history can tell
            data.draw(st.sampled_from(away)).come_back()

    @precondition(lambda self: any(not poller.waits for poller in self.pollers))
    @rule(data=st.data())
    def come_back_together(self, data: st.DataObject) -> None:
        at = data.draw(st.sampled_from([poller.at for poller in self.pollers if not poller.waits]))
        together = [poller for poller in self.pollers if poller.at == at and not poller.waits]
        if not come_back_together(self.room, together) and self.room.loop.now_s < 1000.9:
            for poller in together:
                poller.come_back()

    @precondition(lambda self: any(poller.waits for poller in self.pollers))
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        poller = data.draw(st.sampled_from([poller for poller in self.pollers if poller.waits]))
        listened = self.room.channel.withdraw(poller.subscription)
        assert listened == poller.waits
        self.pollers.remove(poller)

    @invariant()
    def nobody_waits_for_long_for_what_has_been_said(self) -> None:
        if self.pollers and self.room.loop.now_s > 1000.8:
            self.room.loop.pass_time(0.21)
            assert all(poller.at == self.room.head for poller in self.pollers if poller.waits)


PollMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestPollMachine = PollMachine.TestCase
