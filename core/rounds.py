"""One room's pollers: each is answered once, and asks again. Who waits, waits for the same answer: a round.

A round is written when a turn brings no more news, and not before those who were answered last are back, for as long as
writing to them takes, twice: reading their next polls takes about as long again. Otherwise a busy room tears its
pollers apart: half are answered with one event while the others are on their way back, and from then on every answer
holds one event and is built for a few. Where messages are further apart than a round trip everybody is back before the
next one, and nothing is ever held. News of who came or left waits for them longer, since it is never urgent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from core.fanout import MAX_PRESENCE_HOLD_S, Fanout, Outside
from core.model import Event
from core.stats import Stats
from core.subscription import Answer, Framing, Subscription

_HOLD: Final = 2.0  # times as long as it takes to write to all who are waited for: their next polls take as long again
_MAX_HOLD_S: Final = 0.025


class Rounds(Fanout):
    """The subscribers of one channel who are answered once, in one framing."""

    __slots__ = ("_answer", "_each_s", "_told_s", "due_back")

    def __init__(self, framing: Framing, stats: Stats, outside: Outside, answer: Answer) -> None:
        super().__init__(framing, stats, outside)
        self._answer = answer
        self.due_back = 0  # were answered by the last round or, one by one, since
        self._each_s = 0.0  # what answering one of them took
        self._told_s = 0.0  # when the last of them was answered

    @property
    def pending(self) -> int:
        """Events that those who wait will be told with this round: so far behind the head is who may join them."""
        return len(self._batch)

    def park(self, subscription: Subscription, behind: int) -> bool | None:
        """Let one that is so many events behind the head wait for this round, whose answer tells it what it does not
        know yet. False when it has missed more than the round will tell; None when it waits already.
        """
        if subscription in self._direct or subscription in self._late:
            return None
        pending = len(self._batch)
        if behind == pending:
            self._let_wait((subscription,))
        elif 0 <= behind < pending:  # it was told by other ways what the others still wait for
            self._late[subscription] = pending - behind
            self._stats.connections[subscription.transport] += 1
            self._look_anew()
        else:
            return False
        return True

    def park_all(self, subscriptions: Sequence[Subscription], behind: int) -> bool:
        """As `park`, for many at once who know just what all who wait know. False, and nobody is let in, when they do
        not, or one of them waits already.
        """
        able = behind == len(self._batch) and self._direct.keys().isdisjoint(subscriptions)
        if not able or not self._late.keys().isdisjoint(subscriptions):
            return False
        self._let_wait(subscriptions)
        return True

    def _let_wait(self, subscriptions: Sequence[Subscription]) -> None:
        self._direct.update(dict.fromkeys(subscriptions))
        if self._descriptors is not None:
            found = [each.descriptor for each in subscriptions if each.descriptor is not None]
            self._descriptors.extend(found)
            if len(found) < len(subscriptions):
                self._descriptors = None
        self._stats.connections[subscriptions[0].transport] += len(subscriptions)
        self._look_anew()

    def _look_anew(self) -> None:
        """Have the round written, if it was held for those who are back now."""
        if self._timer is not None and not self._awaits_more():
            self._hold_no_longer()

    def told_apart(self) -> None:
        """Wait for one more: it has just come, or had missed the last round, was told by itself, and is on its way back
        too. Else those who have once missed a round would miss every other.
        """
        self.due_back += 1
        self._told_s = self._outside.clock()

    def push(self, event: Event, frame: Any) -> list[Subscription]:
        """Hand on an event, also to those who are just on their way back."""
        full = super().push(event, frame)
        if not (self._direct or self._late) and (self._batch or self._are_on_their_way(event)):
            self._put(event, frame)  # a round that has begun has no hole
        return full

    def _are_on_their_way(self, event: Event) -> bool:
        if not self._awaits_more():
            return False
        presence = event.is_presence
        return self._outside.clock() < (self._told_s if presence else self._written_s) + self._return_s(presence)

    def _return_s(self, presence: bool) -> float:
        """How long those who have been told are waited for."""
        return MAX_PRESENCE_HOLD_S if presence else min(_HOLD * self._each_s * self.due_back, _MAX_HOLD_S)

    def _awaits_more(self) -> bool:
        return len(self._direct) + len(self._late) < self.due_back

    def _held_until_s(self) -> float:
        if not self._awaits_more():
            return super()._held_until_s()
        return (self._begun_s if self._presence_only else self._written_s) + self._return_s(self._presence_only)

    def _telling_s(self) -> float:
        return _HOLD * self._writing_s  # the next polls are a part of it

    def _data(self, batch: list[Any]) -> bytes:
        return self._answer(batch)

    def _rests(self, batch: list[Any]) -> Callable[[int], bytes]:
        return self._answer.rests(batch)

    def _send(self, batch: list[Any], late: dict[Subscription, int]) -> None:
        super()._send(batch, late)
        transport = self._transport
        told_all = {each: None for each, seen in late.items() if seen == len(batch)}
        self.due_back = len(self._direct) - len(told_all)
        self._each_s = self._writing_s / max(1, self.due_back)
        self._told_s = self._written_s
        self._stats.connections[transport] -= self.due_back
        # The others are answered once, and ask again.
        self._direct, self._descriptors, self._buffered = told_all, None if told_all else [], []
