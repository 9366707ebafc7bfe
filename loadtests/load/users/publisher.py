"""Open-loop publishing: the schedule, the publisher that follows it, and which user publishes next when one stops.

The instants depend on a start, a rate and a seed, never on what happened to earlier messages: that is what makes the
load open. No answer, error or lost connection moves them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from loadtests.load.clients import stamp
from loadtests.load.clients.base import Event, offset_of
from loadtests.load.users.hub import Alarms
from loadtests.load.users.recorder import Publications

NS_PER_S = 1_000_000_000
KINDS = ("constant", "poisson", "burst")


def instants(kind: str, start_ns: int, rate_per_s: float, phase: float, seed: str) -> Iterator[int]:
    """Yield ascending instants from `start_ns` on, without end; none for a rate of 0.

    `constant` is evenly spaced, its first message `phase` (0..1) of a period after the start; `poisson` has exponential
    gaps drawn from `seed`; `burst` has all messages of a second at the second's beginning. Raises ValueError.
    """
    if kind not in KINDS:
        raise ValueError(f"arrivals {kind!r}; expected one of {', '.join(KINDS)}")
    if rate_per_s < 0:
        raise ValueError(f"a rate of {rate_per_s}/s; expected 0 or more")
    if not rate_per_s:
        return iter(())
    if kind == "poisson":
        return _poisson(start_ns, rate_per_s, random.Random(seed))
    if kind == "burst":
        return _burst(start_ns, rate_per_s)
    return _constant(start_ns, rate_per_s, phase)


def _constant(start_ns: int, rate_per_s: float, phase: float) -> Iterator[int]:
    message = 0
    while True:
        # From the start each time: adding up rounded periods would drift.
        yield start_ns + round((message + phase) * NS_PER_S / rate_per_s)
        message += 1


def _poisson(start_ns: int, rate_per_s: float, random_source: random.Random) -> Iterator[int]:
    elapsed_s = 0.0
    while True:
        elapsed_s += random_source.expovariate(rate_per_s)
        yield start_ns + round(elapsed_s * NS_PER_S)


def _burst(start_ns: int, rate_per_s: float) -> Iterator[int]:
    message = 0
    while True:
        yield start_ns + int(message / rate_per_s) * NS_PER_S
        message += 1


_EASED_NS = 20_000_000


def eased(schedule: Iterable[int], until_ns: int) -> Iterator[int]:
    """Leave out, of what is due before `until_ns`, what is due less than 20 ms after the last one.

    A connection's first messages cost a server more than later ones. Under its full load at once it could fall behind
    with these, and be measured while it catches up.
    """
    next_ns = 0
    for due_ns in schedule:
        if due_ns >= min(next_ns, until_ns):
            next_ns = due_ns + _EASED_NS
            yield due_ns


_SPIN_NS = 150_000


class Publisher:
    """Sends each message at its instant, or as soon after it as the hub runs, with the instant inside.

    Its alarm is set a little early and the last stretch is spun away: a timer alone wakes a sleeping core 0.1-0.2 ms
    late, and that would be read as the server's latency. Kernel stamps do not suffer from a spinning hub; `spin` is off
    where messages are so many that it would cost the process more than a few per cent.
    """

    __slots__ = (
        "_alarms",
        "_due_ns",
        "_instants",
        "_payload_bytes",
        "_send",
        "_spin_ns",
        "_until_ns",
        "publications",
    )

    def __init__(
        self,
        publications: Publications,
        send: Callable[[str, str], None] | None,
        alarms: Alarms,
        payload_bytes: int,
        *,
        spin: bool = False,
    ) -> None:
        """Prepare; `send(content, ref)` sends one message and must not wait; None while no user can."""
        self.publications = publications
        self._instants: Iterator[int] = iter(())
        self._until_ns = 0
        self._send = send
        self._alarms = alarms
        self._payload_bytes = payload_bytes
        self._due_ns = 0
        self._spin_ns = _SPIN_NS if spin else 0

    def start(self, schedule: Iterator[int], until_ns: int) -> None:
        """Publish at the schedule's instants that lie before `until_ns`."""
        self._instants, self._until_ns = schedule, until_ns
        self._set_alarm()

    def hand_to(self, send: Callable[[str, str], None] | None) -> None:
        """Let another user send; what is due while there is None is not published, and stands in no row."""
        self._send = send
        # What is on its way from a user that leaves may lose its answer: that is no failure of the server's.
        self.publications.looked_at = len(self.publications)

    def stop(self) -> None:
        """Publish nothing more."""
        self._instants = iter(())

    def _set_alarm(self) -> None:
        due_ns = next(self._instants, None)
        if due_ns is not None and due_ns < self._until_ns:
            self._due_ns = due_ns
            self._alarms.at(due_ns - self._spin_ns, self._publish)

    def answered(self, event: Event, read_ns: int) -> None:
        """Take an `ack` or `error` event read at `read_ns`; one that answers nothing of ours is left alone."""
        ref = stamp.read_ref(event.ref)
        if ref is None or ref[0] != self.publications.publisher:
            return
        if event.type == "ack":
            self.publications.accept(ref[1], read_ns, offset_of(event.id))
        else:
            self.publications.refuse(ref[1], read_ns)

    def _publish(self) -> None:
        publications, due_ns = self.publications, self._due_ns
        message = len(publications)
        self._set_alarm()  # the next one, before anything here can fail
        send = self._send
        if send is None:
            return
        sent_ns = time.monotonic_ns()
        while sent_ns < due_ns:
            sent_ns = time.monotonic_ns()
        content = stamp.build(publications.publisher, message, due_ns, sent_ns, self._payload_bytes)
        publications.add(due_ns, sent_ns)
        send(content, stamp.build_ref(publications.publisher, message))


class Candidate(Protocol):
    """A user, as far as it can take a publisher over."""

    def may_publish_in(self, room: int) -> bool:
        """Whether the user could take over a publisher of `room`."""

    def take_over(self, publisher: Publisher) -> None:
        """Publish in place of a user that has stopped."""


class PublisherSuccession:
    """Publishers without a user, and which user is next: another one of the same room that is connected.

    Only plain Locust opens it, where users come and go; a cell of the lab keeps all of its users. Closed, it hands
    nothing on.
    """

    def __init__(self, users: Iterable[Candidate], note: Callable[[str], None]) -> None:
        """Choose among `users`, as the list is when a user stops."""
        self.open = False
        self._users = users
        self._note = note
        self._vacant: list[Publisher] = []

    def vacate(self, publisher: Publisher) -> None:
        """Give the publisher to a connected user of its room; where there is none, to the next one that connects."""
        publisher.hand_to(None)
        room = publisher.publications.room
        for user in self._users:
            if user.may_publish_in(room):
                user.take_over(publisher)
                return
        self._vacant.append(publisher)
        self._note(f"nobody was left to publish in room {room}: no other user of this process is connected there")

    def offer(self, user: Candidate) -> None:
        """Give `user`, which has just connected, a publisher of its room that has no user."""
        for publisher in self._vacant:
            if user.may_publish_in(publisher.publications.room):
                self._vacant.remove(publisher)
                user.take_over(publisher)
                return
