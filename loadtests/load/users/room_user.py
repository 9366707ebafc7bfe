"""The room user: spawn, connect, receive, publish, reconnect, record. Everything but the transport."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import gevent
from gevent.event import AsyncResult
from locust import User, task
from locust.env import Environment

from loadtests.load.clients import stamp
from loadtests.load.clients.base import Arrival, Closed, ConnectFailed, Event, NotPublished, batch_size, offset_of
from loadtests.load.clients.sockets import SocketTotals
from loadtests.load.clients.stamp import OUR_CLOCK
from loadtests.load.users.cable import Cable
from loadtests.load.users.cell import cell_of
from loadtests.load.users.locust_tables import PUBLISH
from loadtests.load.users.publisher import Publisher
from loadtests.records.schema import ABSENT_NS

_BACKOFF_S = 0.1
_BACKOFF_CAP_S = 5.0
_PLUGGED_IN = Closed(0, "the cable is in again")


@dataclass(slots=True)
class Span:
    """When a user was there, by CLOCK_MONOTONIC, and what befell it."""

    from_ns: int = 0  # its first welcome; 0: it has had none
    to_ns: int = 0  # it was stopped; 0: it was not
    connect_ms: float | None = None
    reconnects: int = 0
    told_gaps: int = 0


class RoomUser(User):
    """One member of one room.

    A transport's class says how to `enter`, `publish` and `leave`, and calls `record` for what arrives and `lost` when
    its connection ends. The user's own greenlet only ever connects; between connections it sleeps on `_news`.
    """

    abstract = True
    label: ClassVar[str]
    needs_tls: ClassVar[bool] = False
    batch_size = staticmethod(batch_size)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.cell = cell_of(environment)
        self.slot = self.cell.next_slot()
        self.access = self.cell.access(self.slot, self.host)
        self.row = type(self).__name__  # in Locust's tables
        self._spawned_ns = time.monotonic_ns()
        self.position = ""  # where to resume
        self.publisher: Publisher | None = None
        self.span = Span()
        own_tasks = [each for each in self.tasks if each is not RoomUser.live]
        self._living: gevent.Greenlet | None = None
        if own_tasks:  # of a class derived from ours: they are what Locust is to choose from
            self.tasks = own_tasks
        self._has_own_tasks = bool(own_tasks)
        self._joined = False
        self._news = AsyncResult()  # why the connection ended
        self._retry_ms = 0  # the server's hint for the next attempt
        self.cable: Cable | None = None  # of a subscriber that is to be cut
        if self.slot.listens:
            self.cell.users.append(self)
            if self.cell.spec.disrupt is not None:
                self.cable = Cable(self, self.slot.number, self.cell.outages, self.cell.alarms, self.cell.note)

    def enter(self, timeout_s: float) -> None:
        """Connect, resuming after `position` where it is not empty; return when welcome. Raises ConnectFailed."""
        raise NotImplementedError

    def publish(self, content: str, ref: str) -> None:
        """Send one message without waiting; called in the hub."""
        raise NotImplementedError

    def leave(self) -> None:
        """Close every connection."""
        raise NotImplementedError

    def pull_cable(self) -> bool:
        """Cut the connection that events come over, without a word; False where there is none."""
        raise NotImplementedError

    def plug_in(self) -> int | None:
        """Call `plugged_in`; return the offset of the last event before the cut. None: the user is gone."""
        raise NotImplementedError

    def joined_offset(self) -> int:
        """The offset after which the events of the present connection begin."""
        raise NotImplementedError

    def socket_totals(self) -> SocketTotals | None:
        """TCP_INFO of all connections that events came over; None where the transport cannot tell."""
        return None

    def straggle_s(self) -> float:
        """How long after its publication a delivery may take by the transport's own design, loopback or not."""
        return 0.0

    @task
    def live(self) -> None:
        """Connect in turn, then stay: reconnect with resume whenever the connection is lost."""
        cell = self.cell
        gevent.sleep(max(0.0, (cell.connect_at_ns(self.slot) - time.monotonic_ns()) / 1e9))
        if cell.full or not self._enter_first():
            AsyncResult().get()  # nothing wakes it but Locust's stop
        while True:
            closed = self._news.get()
            self._news = AsyncResult()
            if closed is not _PLUGGED_IN:
                cell.note(f"{self.label} connection ended: {closed}")
                cell.reconnects += 1
                self.span.reconnects += 1
            self._enter_again(closed)

    def on_start(self) -> None:
        """Connect beside the tasks of a derived class, where it has some."""
        if self._has_own_tasks:
            self._living = gevent.spawn(self.live)

    def on_stop(self) -> None:
        """Close what is open."""
        if self._living is not None:
            self._living.kill(block=False)
        self.leave()
        self.span.to_ns = time.monotonic_ns()
        self._note_left()
        self._hand_on_publishing()
        if self.publisher is not None:
            self.publisher.stop()

    def may_publish_in(self, room: int) -> bool:
        """Whether this user could take over a publisher of `room`."""
        return self._joined and self.publisher is None and self.slot.room == room

    def take_over(self, publisher: Publisher) -> None:
        """Publish in place of a user that has stopped."""
        self.slot = self.slot._replace(publisher=publisher.publications.publisher)
        self.publisher = publisher
        publisher.publications.row = self.row
        gevent.spawn(self._start_publishing, publisher)

    def prepare_to_publish(self, timeout_s: float) -> None:
        """Open what publishing needs beside the connection that events come over; raises ConnectFailed."""

    def note_gaps(self, told: int) -> None:
        """Count gaps that the server announced."""
        self.cell.told_gaps += told
        self.span.told_gaps += told

    def lost(self, closed: Closed, retry_ms: int) -> None:
        """Take note that an established connection ended; wakes the user's greenlet."""
        self._note_left()
        self._retry_ms = retry_ms
        self._news.set(closed)

    def plugged_in(self) -> None:
        """Take note that the cable is in again; wakes the user's greenlet."""
        self._news.set(_PLUGGED_IN)

    def record(self, arrivals: list[Arrival], kernel_ns: int, user_ns: int) -> None:
        """Record what one read brought. The hot path: called in the hub for each read of each socket."""
        cell, slot = self.cell, self.slot
        recorder, reporter = cell.recorder, cell.reporter
        in_batch = 1 if len(arrivals) == 1 else self.batch_size(arrivals)
        for event, wire_bytes in arrivals:
            if event.type == "chat":
                stamped = stamp.read(event.content) if slot.listens else None
                if stamped is None:
                    continue
                publisher, message, scheduled_ns, sent_ns, clock = stamped
                ours = clock == OUR_CLOCK
                if not ours:
                    # Times of two clocks can't be subtracted: the delivery counts, its latency is unknown.
                    scheduled_ns = sent_ns = ABSENT_NS
                    recorder.foreign_clock += 1
                recorder.add(
                    (
                        scheduled_ns,
                        sent_ns,
                        kernel_ns,
                        user_ns,
                        publisher,
                        message,
                        slot.number,
                        slot.room,
                        offset_of(event.id),
                        len(event.content),  # a stamp is ASCII: characters are bytes
                        wire_bytes,
                        in_batch,
                    )
                )
                if kernel_ns == ABSENT_NS:
                    cell.stamped = False
                reporter.left -= 1
                if reporter.left <= 0 and ours:
                    received_ns = user_ns if kernel_ns == ABSENT_NS else kernel_ns
                    if received_ns < sent_ns:
                        cell.note("a delivery came before it was sent: a clock was wrong, its latency is not shown")
                    else:
                        reporter.delivered((received_ns - scheduled_ns) / 1e6, wire_bytes, self.row)
            elif event.ref:
                self.answered(event, user_ns)
            elif event.type == "error":
                cell.note(f"{self.label} error event: {event.code} {event.message}")

    def answered(self, event: Event, read_ns: int) -> None:
        """Take the answer to a publication, an `ack` or an `error` event; one to what was not published is ignored."""
        if self.publisher is None:
            return
        self.publisher.answered(event, read_ns)
        if event.type == "error":
            self.cell.note(f"{self.label} publication refused: {event.code}")
            self.cell.reporter.failed(PUBLISH, NotPublished(f"refused: {event.code}"), self.row)

    def _enter_first(self) -> bool:
        cell = self.cell
        attempt = 0
        # Locust may spawn a user long after the cell began: it has as much time as the first.
        deadline_ns = max(cell.deadline_ns(), self._spawned_ns + int(cell.spec.connect_timeout_s * 1e9))
        while True:
            began_ns = time.monotonic_ns()
            try:
                self.enter(max(0.1, (deadline_ns - began_ns) / 1e9))
            except ConnectFailed as error:
                attempt += 1
                pause_s = self._backoff_s(attempt)
                cell.note(f"{self.label} connect failed: {error}")
                if error.retryable and time.monotonic_ns() + pause_s * 1e9 < deadline_ns:
                    gevent.sleep(pause_s)
                    continue
                cell.failed = cell.failed or f"user {self.slot.number} ({self.label}): {error}"
                cell.reporter.failed("connect", error, self.row)
                self._hand_on_publishing()
                return False
            break
        self.span.from_ns = time.monotonic_ns()
        if self.slot.listens:
            self.span.connect_ms = (self.span.from_ns - began_ns) / 1e6
            cell.connect_ms.append(self.span.connect_ms)
        cell.ready += 1
        if self.slot.publisher >= 0:
            self.publisher = cell.add_publisher(self.slot, self.publish)
            self.publisher.publications.row = self.row
        self._note_joined()
        return True

    def _enter_again(self, closed: Closed) -> None:
        attempt = 0
        if not self.cell.spec.resume:
            self.position = ""
        while closed.retryable:
            hint_s, self._retry_ms = self._retry_ms / 1000, 0
            if attempt or closed is not _PLUGGED_IN:
                gevent.sleep(max(hint_s, self._backoff_s(attempt)))
            attempt += 1
            try:
                self.enter(self.cell.spec.connect_timeout_s)
            except ConnectFailed as error:
                self.cell.note(f"{self.label} reconnect failed: {error}")
                if error.retryable:
                    continue
                break
            self._note_joined()
            if self.cable is not None:
                self.cable.back(self.joined_offset())
            return
        self.cell.reporter.failed("reconnect", ConnectFailed(str(closed), retryable=False), self.row)
        self._hand_on_publishing()
        AsyncResult().get()

    def _backoff_s(self, attempt: int) -> float:
        # Full jitter: clients that were cut together must not come back together.
        return self.cell.random.uniform(0.0, min(_BACKOFF_CAP_S, _BACKOFF_S * 2**attempt))

    def _note_joined(self) -> None:
        self._joined = True
        self.cell.connected += self.slot.listens
        self.cell.succession.offer(self)

    def _start_publishing(self, publisher: Publisher) -> None:
        attempt = 0
        while self.publisher is publisher:
            try:
                self.prepare_to_publish(self.cell.spec.connect_timeout_s)
            except ConnectFailed as error:
                self.cell.note(f"{self.label} POST connection failed: {error}")
                gevent.sleep(self._backoff_s(attempt := attempt + 1))
                continue
            if self.publisher is publisher:
                publisher.hand_to(self.publish)
            return

    def _hand_on_publishing(self) -> None:
        """Let another user publish in this one's place, where users come and go."""
        if self.slot.publisher < 0 or not self.cell.succession.open:
            return
        publisher, self.publisher = self.publisher or self.cell.add_publisher(self.slot, None), None
        self.slot = self.slot._replace(publisher=-1)
        self.cell.succession.vacate(publisher)

    def _note_left(self) -> None:
        self.cell.connected -= self._joined and self.slot.listens
        self._joined = False
