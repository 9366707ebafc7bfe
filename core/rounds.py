"""One room's pollers: each is answered once, and asks again. Who waits, waits for the same answer: a round.

A round is written when a turn brings no more news, and not before those who were answered last are back, within limits.
Otherwise a busy room tears its pollers apart: half are answered with one event while the others are on their way back,
and from then on every answer holds one event and is built for a few. Where messages are further apart than a round trip
everybody is back before the next one, and nothing is ever held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from core.fanout import Defer, Fanout
from core.stats import Stats
from core.subscription import Answer, Framing, Subscription

_HOLD: Final = 2.0  # times as long as the last round took to write: reading the next polls takes about as long again
_MAX_HOLD_S: Final = 0.025


class Timer(Protocol):
    """What is used of asyncio's timer handles."""

    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]  # runs a callback after so many seconds


class Rounds(Fanout):
    """The subscribers of one channel who are answered once, in one framing."""

    __slots__ = ("_answer", "_clock", "_due_back", "_hold_until_s", "_later", "_timer")

    def __init__(
        self,
        framing: Framing,
        stats: Stats,
        defer: Defer,
        answer: Answer,
        later: Later,
        clock: Callable[[], float],
        coalesce: Defer | None = None,
    ) -> None:
        super().__init__(framing, stats, defer, coalesce)
        self._answer = answer
        self._later = later
        self._clock = clock
        self._due_back = 0  # were answered by the last round
        self._hold_until_s = 0.0  # CLOCK of `clock`; the next round waits for them at most this long
        self._timer: Timer | None = None

    @property
    def pending(self) -> int:
        """Events that those who wait will be told with this round: so far behind the head is who may join them."""
        return len(self._batch)

    def park(self, subscription: Subscription) -> None:
        """Let one that has heard all but what is `pending` wait for this round's answer."""
        self._direct[subscription] = None
        self._writes = None
        self._stats.connections[subscription.transport] += 1
        if self._timer is not None and len(self._direct) >= self._due_back:
            self._stop_holding()
            self._defer(self._flush_when_quiet)

    def push(self, event: Any, frame: Any) -> list[Subscription]:
        """Hand on an event, also to those who are just on their way back."""
        full = super().push(event, frame)
        if not self._direct and (self._batch or self._holds()):  # a round that has begun has no hole
            self._put(frame)
        return full

    def _holds(self) -> bool:
        return len(self._direct) < self._due_back and self._clock() < self._hold_until_s

    def _flush_when_quiet(self) -> None:
        if len(self._batch) == self._seen and self._holds():
            if self._timer is None:
                self._timer = self._later(self._hold_until_s - self._clock(), self._held_long_enough)
            return
        super()._flush_when_quiet()

    def _held_long_enough(self) -> None:
        self._timer = None
        self.flush()

    def _stop_holding(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def flush(self) -> None:
        """Answer everybody who waits, with what this round brought."""
        self._stop_holding()
        super().flush()

    def _send(self, batch: list[Any]) -> None:
        began_s = self._clock()
        transport = self._transport
        self._due_back = self._write(self._answer(batch), len(batch))
        self._stats.connections[transport] -= self._due_back
        self._direct, self._writes = {}, []  # each is answered once, and asks again
        ended_s = self._clock()
        self._hold_until_s = ended_s + min(_HOLD * (ended_s - began_s), _MAX_HOLD_S)
