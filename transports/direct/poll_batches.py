"""One room's pollers: each is answered once, and polls again. Those who wait together get one answer, built once.

The naive way writes it as soon as an event comes. A busy room then splits its pollers: half are answered with one event
while the others are on their way back, and from then on every answer holds one event and is built for a few. So a batch
also waits for those who were answered last, for twice as long as writing to them takes: their next polls take as long
again to be read. Where messages are further apart than a round trip everybody is back before the next one, and nothing
is held. News of who came or left waits longer, since it is never urgent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from core.model import Event, Framing
from core.stats import Stats
from transports.direct.batches import MAX_PRESENCE_HOLD_S, Batcher
from transports.direct.services import LoopServices
from transports.direct.subscription import Answer, DirectSubscription, PollSubscription

_HOLD: Final = 2.0  # times as long as it takes to write to all who are expected: to read their polls takes as long
_MAX_HOLD_S: Final = 0.025


class PollBatcher(Batcher):
    """The subscribers of one channel who are answered once, in one framing."""

    __slots__ = ("_answer", "_answered_s", "_each_s", "due_back")

    def __init__(self, framing: Framing, stats: Stats, services: LoopServices, answer: Answer) -> None:
        super().__init__(framing, stats, services)
        self._answer = answer
        self.due_back = 0  # were answered with the last batch or, one by one, since
        self._each_s = 0.0  # what answering one of them took
        self._answered_s = 0.0  # when the last of them was answered

    def hold(self, subscription: PollSubscription, behind: int) -> bool | None:
        """Let one that is so many events behind the head wait for this batch, of which it gets what it does not know.

        False when it has missed more than the batch holds; None when it waits already.
        """
        if self.is_direct(subscription):
            return None
        pending = len(self._batch)
        if not 0 <= behind <= pending:
            return False
        if behind < pending:  # it was answered by itself with what the others still wait for
            self._late[subscription] = pending - behind
        self._let_wait((subscription,))
        return True

    def hold_all(self, subscriptions: Sequence[PollSubscription], behind: int) -> bool:
        """As `hold`, for many at once who know just what all who wait know. False, and none of them waits, when they do
        not, or one of them waits already.
        """
        if behind != len(self._batch) or not self._direct.keys().isdisjoint(subscriptions):
            return False
        self._let_wait(subscriptions)
        return True

    def _let_wait(self, subscriptions: Sequence[PollSubscription]) -> None:
        self._direct.update(dict.fromkeys(subscriptions))
        if self._descriptors is not None:
            found = [each.descriptor for each in subscriptions if each.descriptor is not None]
            self._descriptors.extend(found)
            if len(found) < len(subscriptions):
                self._descriptors = None
        self._stats.connections[subscriptions[0].transport] += len(subscriptions)
        self._look_anew()

    def _look_anew(self) -> None:
        """Have the batch written, if it was held for those who are back now."""
        if self._timer is not None and not self._awaits_more():
            self._hold_no_longer()

    def expect_return(self) -> None:
        """Wait for one more: it was answered by itself, and is on its way back like those who were answered together.
        Else those who have once missed a batch would miss every other.
        """
        self.due_back += 1
        self._answered_s = self._services.clock()

    def _awaits(self, event: Event) -> bool:
        return bool(self._batch) or self._are_on_their_way(event)  # a batch that has begun has no hole

    def _are_on_their_way(self, event: Event) -> bool:
        if not self._awaits_more():
            return False
        presence = event.is_presence
        return self._services.clock() < (self._answered_s if presence else self._written_s) + self._return_s(presence)

    def _return_s(self, presence: bool) -> float:
        """How long those who were answered are waited for."""
        return MAX_PRESENCE_HOLD_S if presence else min(_HOLD * self._each_s * self.due_back, _MAX_HOLD_S)

    def _awaits_more(self) -> bool:
        return len(self._direct) < self.due_back

    def _left_s(self) -> float:
        if not self._awaits_more():
            return super()._left_s()
        began_s = self._begun_s if self._presence_only else self._written_s
        return began_s + self._return_s(self._presence_only) - self._services.clock()

    def _last_s(self) -> float:
        return _HOLD * self._writing_s  # the next polls are a part of it

    def _data(self, batch: list[Any]) -> bytes:
        return self._answer(batch)

    def _rests(self, batch: list[Any]) -> Callable[[int], bytes]:
        return self._answer.rests(batch)

    def _send(self, batch: list[Any], late: dict[DirectSubscription, int]) -> None:
        super()._send(batch, late)
        knew_all = {each: None for each, seen in late.items() if seen == len(batch)}
        self.due_back = len(self._direct) - len(knew_all)
        self._each_s = self._writing_s / max(1, self.due_back)
        self._answered_s = self._written_s
        self._stats.connections[self._transport] -= self.due_back
        # The others are answered once, and ask again.
        self._direct, self._descriptors, self._buffered = knew_all, None if knew_all else [], []
