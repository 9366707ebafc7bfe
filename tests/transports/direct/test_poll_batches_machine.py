"""Rounds under any order of coming, going and telling (stateful property test)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.model import EventType
from tests.transports.direct.poll_room import JOINED, Poller, Room, come_back_together


class PollMachine(RuleBasedStateMachine):
    """Pollers come back at any moment. Each receives a run without holes; `Poller.receive` checks each answer."""

    @initialize()
    def begin(self) -> None:
        self.room = Room()
        self.pollers: list[Poller] = []

    @rule(asks_where=st.booleans())
    def arrive(self, asks_where: bool) -> None:
        self.pollers.append(Poller(self.room, asks_where=asks_where))

    @rule(events=st.integers(1, 5), kind=st.sampled_from(["chat", JOINED]))
    def publish(self, events: int, kind: EventType) -> None:
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
        listened = self.room.returns.withdraw(poller.subscription)
        assert listened == poller.waits
        self.pollers.remove(poller)

    @invariant()
    def nobody_waits_for_long_for_what_has_been_said(self) -> None:
        if self.pollers and self.room.loop.now_s > 1000.8:
            self.room.loop.pass_time(0.21)
            assert all(poller.at == self.room.head for poller in self.pollers if poller.waits)


PollMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestPollMachine = PollMachine.TestCase
