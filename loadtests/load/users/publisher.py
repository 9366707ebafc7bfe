"""The open-loop publisher: an absolute schedule that no answer, error or lost connection ever moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from loadtests.load.clients import stamp
from loadtests.load.clients.base import Event, offset_of
from loadtests.load.users.alarms import Alarms
from loadtests.load.users.recorder import Publications

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
        "_spin_ns",
        "_talk",
        "_until_ns",
        "publications",
    )

    def __init__(
        self,
        publications: Publications,
        talk: Callable[[str, str], None] | None,
        alarms: Alarms,
        payload_bytes: int,
        *,
        spin: bool = False,
    ) -> None:
        """Prepare; `talk(content, ref)` sends one message and must not wait; None while nobody can."""
        self.publications = publications
        self._instants: Iterator[int] = iter(())
        self._until_ns = 0
        self._talk = talk
        self._alarms = alarms
        self._payload_bytes = payload_bytes
        self._due_ns = 0
        self._spin_ns = _SPIN_NS if spin else 0

    def start(self, schedule: Iterator[int], until_ns: int) -> None:
        """Publish at the schedule's instants that lie before `until_ns`."""
        self._instants, self._until_ns = schedule, until_ns
        self._set_alarm()

    def hand_to(self, talk: Callable[[str, str], None] | None) -> None:
        """Let another user send; what is due while there is None is not published, and stands in no row."""
        self._talk = talk
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
        talk = self._talk
        if talk is None:
            return
        sent_ns = time.monotonic_ns()
        while sent_ns < due_ns:
            sent_ns = time.monotonic_ns()
        content = stamp.build(publications.publisher, message, due_ns, sent_ns, self._payload_bytes)
        publications.add(due_ns, sent_ns)
        talk(content, stamp.build_ref(publications.publisher, message))
