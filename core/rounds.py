"""One room's pollers: each is answered once, and asks again. Who waits, waits for the same answer: a round.

A round is written when a turn brings no more news, and not before those who were answered last are back, for as long as
writing to them takes, twice: reading their next polls takes about as long again. Otherwise a busy room tears its
pollers apart: half are answered with one event while the others are on their way back, and from then on every answer
holds one event and is built for a few. Where messages are further apart than a round trip everybody is back before the
next one, and nothing is ever held. News of who came or left waits for them longer, since it is never urgent.
"""

from __future__ import annotations

from typing import Any, Final

from core.fanout import Fanout, Outside, is_presence
from core.model import Event
from core.stats import Stats
from core.subscription import Answer, Framing, Subscription

_HOLD: Final = 2.0  # times as long as it takes to write to all who are waited for
_MAX_HOLD_S: Final = 0.025


class Rounds(Fanout):
    """The subscribers of one channel who are answered once, in one framing."""

    __slots__ = ("_answer", "_due_back", "_each_s")

    # They come back for each answer, which costs about as much again.
    _presence_hold = 16.0
    _max_presence_hold_s = 0.2

    def __init__(self, framing: Framing, stats: Stats, outside: Outside, answer: Answer) -> None:
        super().__init__(framing, stats, outside)
        self._answer = answer
        self._due_back = 0  # were answered by the last round or, one by one, since
        self._each_s = 0.0  # what answering one of them took

    @property
    def pending(self) -> int:
        """Events that those who wait will be told with this round: so far behind the head is who may join them."""
        return len(self._batch)

    def park(self, subscription: Subscription, behind: int) -> bool | None:
        """Let one that is so many events behind the head wait for this round, whose answer tells it what it does not
        know yet. False when it has missed more than the round will tell; None when it waits already.
        """
        direct, late = self._direct, self._late
        if subscription in direct or (late and subscription in late):
            return None
        pending = len(self._batch)
        if behind == pending:
            direct[subscription] = None
            if self._descriptors is None or subscription.descriptor is None:
                self._descriptors = None
            else:
                self._descriptors.append(subscription.descriptor)
        elif 0 <= behind < pending:  # it was told by other ways what the others still wait for
            late[subscription] = pending - behind
        else:
            return False
        self._stats.connections[subscription.transport] += 1
        if self._timer is not None and not self._awaits_more():
            self._hold_no_longer()
        return True

    def told_apart(self) -> None:
        """Wait for one more: it had missed the last round, was told by itself, and is on its way back too. Else those
        who have once missed a round would miss every other.
        """
        self._due_back += 1

    def push(self, event: Event, frame: Any) -> list[Subscription]:
        """Hand on an event, also to those who are just on their way back."""
        full = super().push(event, frame)
        if not (self._direct or self._late) and (self._batch or self._are_on_their_way(event)):
            self._put(event, frame)  # a round that has begun has no hole
        return full

    def _are_on_their_way(self, event: Event) -> bool:
        return self._awaits_more() and self._outside.clock() < self._written_s + self._return_s(is_presence(event))

    def _return_s(self, presence: bool) -> float:
        """How long after the last round those who were told by it are waited for."""
        return self._max_presence_hold_s if presence else min(_HOLD * self._each_s * self._due_back, _MAX_HOLD_S)

    def _awaits_more(self) -> bool:
        return len(self._direct) + len(self._late) < self._due_back

    def _hold_s(self) -> float:
        return self._return_s(self._presence_only) if self._awaits_more() else super()._hold_s()

    def _data(self, batch: list[Any]) -> bytes:
        return self._answer(batch)

    def _send(self, batch: list[Any], late: dict[Subscription, int]) -> None:
        super()._send(batch, late)
        transport = self._transport
        told_all = {each: None for each, seen in late.items() if seen == len(batch)}
        self._due_back = len(self._direct) - len(told_all)
        self._each_s = self._writing_s / max(1, self._due_back)
        self._stats.connections[transport] -= self._due_back
        # The others are answered once, and ask again.
        self._direct, self._descriptors, self._buffered = told_all, None if told_all else [], []
