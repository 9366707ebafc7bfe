"""Planned cuts: each subscriber's cable is pulled and put back by a schedule drawn beforehand.

The schedule depends on a seed and the subscriber, never on what happened to the connection.
"""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from loadtests.load.users.hub import Alarms
from loadtests.records.cell_spec import poll_phase
from loadtests.records.disruption import Disruption
from loadtests.records.schema import ABSENT_NS

_NS = 1_000_000_000


class Cut(NamedTuple):
    """When a cable is pulled, and when it is back."""

    off_ns: int
    on_ns: int


def planned_cuts(disruption: Disruption, subscriber: int, seed: str, from_ns: int, to_ns: int) -> Iterator[Cut]:
    """Yield a subscriber's cuts that touch [from, to) and begin before `to`, ascending.

    At every instant the same share of the subscribers is off: their phases are spread evenly, and the cycle that holds
    `from` is longer than most, as any instant lies more often in a long one. Who would be off at `from` is cut then.
    """
    up_ns, off_ns, spread_ns = (
        round(seconds * _NS) for seconds in (disruption.up_s, disruption.offline_s, disruption.spread_s)
    )
    rng = random.Random(f"{seed}.cable.{subscriber}")
    longest_ns = off_ns + up_ns + spread_ns
    cycle_ns = off_ns + up_ns + rng.randint(-spread_ns, spread_ns)
    while rng.random() * longest_ns > cycle_ns:
        cycle_ns = off_ns + up_ns + rng.randint(-spread_ns, spread_ns)
    at_ns = from_ns - round(poll_phase(subscriber) * cycle_ns)
    while at_ns < to_ns:
        if at_ns + off_ns > from_ns:
            yield Cut(max(at_ns, from_ns), at_ns + off_ns)
        at_ns += cycle_ns
        cycle_ns = off_ns + up_ns + rng.randint(-spread_ns, spread_ns)


class Outages:
    """All cuts of one process: subscriber, off, on, back, left and joined offset."""

    WIDTH = 6

    def __init__(self) -> None:
        self.rows = array("q")

    def add(self, subscriber: int, off_ns: int, on_ns: int, left_offset: int) -> int:
        """Record a cut whose subscriber is not back yet; return its place."""
        self.rows.extend((subscriber, off_ns, on_ns, ABSENT_NS, left_offset, left_offset))
        return len(self.rows) - self.WIDTH

    def back(self, place: int, joined_offset: int) -> None:
        """Record that the subscriber is welcome again."""
        self.rows[place + 3] = time.monotonic_ns()
        self.rows[place + 5] = joined_offset


class CutUser(Protocol):
    """A user, as far as its cable is concerned."""

    def pull_cable(self) -> bool:
        """Go off without a word; False where there is no connection to be cut."""

    def plug_in(self) -> int | None:
        """Begin to connect anew; return the offset of the last event that arrived before. None: the user is gone."""


class Cable:
    """One subscriber's cable. Everything happens in the hub."""

    def __init__(
        self, user: CutUser, subscriber: int, outages: Outages, alarms: Alarms, note: Callable[[str], None]
    ) -> None:
        self._user = user
        self._subscriber = subscriber
        self._outages = outages
        self._alarms = alarms
        self._note = note
        self._cuts: Iterator[Cut] = iter(())
        self._off_ns = 0
        self._away = -1  # the place of the cut that the subscriber is not back from

    def follow(self, cuts: Iterator[Cut]) -> None:
        """Pull and plug in by these."""
        self._cuts = cuts
        self._await_next()

    def back(self, joined_offset: int) -> None:
        """Take note that the user is welcome again."""
        if self._away >= 0:
            self._outages.back(self._away, joined_offset)
            self._away = -1

    def _await_next(self) -> None:
        cut = next(self._cuts, None)
        if cut is not None:
            self._alarms.at(cut.off_ns, lambda: self._pull(cut))

    def _pull(self, cut: Cut) -> None:
        self._off_ns = time.monotonic_ns()
        if self._user.pull_cable():
            self._alarms.at(cut.on_ns, lambda: self._plug_in(cut))
        else:
            self._note("planned cut left out: the subscriber was not connected")
            self._await_next()

    def _plug_in(self, cut: Cut) -> None:
        left_offset = self._user.plug_in()
        if left_offset is None:
            return
        self._away = self._outages.add(self._subscriber, self._off_ns, cut.on_ns, left_offset)
        self._await_next()
