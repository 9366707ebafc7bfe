"""One cell's course in one process: everybody connects, then it publishes and looks at what comes, or holds."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import gevent
import msgspec
from gevent.event import Event

from loadtests.load.clients.sockets import SocketTotals as TcpTotals
from loadtests.load.users.cell import Cell
from loadtests.load.users.health import GeneratorHealth, growth, sum_totals
from loadtests.load.users.publisher import NS_PER_S
from loadtests.load.users.raw_user import RawUser
from loadtests.records import notes
from loadtests.records.cell_spec import GeneratorResult, Progress

_LEAD_NS = 100_000_000  # between the last connection and the first publication
_LOOK_S = 0.02


class Failed(Exception):
    """The cell could not be measured; the message says why."""


def begin_soon() -> int:
    """Return when a process that is alone begins to publish, once its users are connected."""
    return time.monotonic_ns() + _LEAD_NS


class Measurement:
    """Runs one cell whose users have been spawned. `stop` ends it early; what was recorded stays."""

    def __init__(
        self,
        cell: Cell,
        expected_users: int,
        report: Callable[[Progress], None],
        begins_ns: Callable[[], int] = begin_soon,
    ) -> None:
        """Prepare; `begins_ns` is called once its users are connected, and may wait for those of others or fail."""
        self.cell = cell
        self.interrupted = ""
        self._expected_users = expected_users
        self._report = report
        self._begins_ns = begins_ns
        self._stopped = Event()
        self._health = GeneratorHealth(cell, lambda: self.say("second"))
        self._from_ns = self._to_ns = 0
        self._until_ns: int | None = None
        self._cpu_s = 0.0
        self._looked_at = 0
        self._steps = 0  # of the wall clock, before the measured phase
        self._growth: tuple[TcpTotals | None, TcpTotals | None] = (None, None)

    def stop(self, why: str) -> None:
        """End the measurement at the next look."""
        self.interrupted = self.interrupted or why
        self._stopped.set()

    def say(self, event: str, message: str = "") -> None:
        """Report progress."""
        cell = self.cell
        self._report(
            Progress(
                event=event,
                message=message,
                connected=cell.connected,
                delivered=cell.recorder.deliveries,
                at_ns=time.monotonic_ns(),
            )
        )

    def run(self) -> None:
        """Connect, then hold or measure; raises Failed."""
        self._health.start()
        self.say("connecting", f"{self._expected_users} users")
        self._await_users()
        # The collector's pauses are milliseconds long with this many objects, and nothing here makes cycles.
        gc.collect()
        gc.freeze()
        gc.disable()
        self.say("connected")
        start_ns = self._begins_ns()
        spec = self.cell.spec
        if spec.hold_s:
            self._from_ns = time.monotonic_ns()
            self._to_ns = self._from_ns + int(spec.hold_s * NS_PER_S)
            self._measure()
            self.say("held")
            return
        self._from_ns = start_ns + int(spec.warm_up_s * NS_PER_S)
        self._to_ns = self._from_ns + int(spec.measured_s * NS_PER_S)
        self.cell.begin(start_ns, self._to_ns)
        self._sleep_until(self._from_ns)
        self.say("measuring")
        self._measure()
        grace_s = max([spec.grace_s, *(user.straggle_s() for user in self.cell.users[:1])])
        self._sleep_until(time.monotonic_ns() + int(grace_s * NS_PER_S))
        self._until_ns = time.monotonic_ns()
        self.say("over")

    def result(self) -> GeneratorResult:
        """What `generator.json` says."""
        found = self._health.result(self._from_ns, self._to_ns, self._until_ns)
        return msgspec.structs.replace(
            found,
            sockets=growth(*self._growth),
            cpu_s=self._cpu_s,
            looked_at=self._looked_at,
            clock_steps=found.clock_steps - self._steps,
        )

    @property
    def window_ns(self) -> tuple[int, int]:
        """The measured phase: [from, to)."""
        return self._from_ns, self._to_ns

    def _await_users(self) -> None:
        cell = self.cell
        while cell.ready < self._expected_users and not self._stopped.is_set():
            if cell.failed:
                raise Failed(cell.failed)
            if time.monotonic_ns() > cell.deadline_ns() + NS_PER_S:
                why = notes.in_words(cell.errors, show=3)
                raise Failed(
                    f"{cell.ready} of {self._expected_users} users connected within {cell.spec.connect_timeout_s:g} s"
                    + (f": {why}" if why else "")
                )
            self._stopped.wait(_LOOK_S)

    def _measure(self) -> None:
        before, deliveries = self._read(), self.cell.recorder.deliveries
        cpu_s = time.process_time()
        # Connecting, the collection and these sums are no lag of the measured phase.
        self._health.new_second()
        self._steps = self.cell.clock.steps
        self._sleep_until(self._to_ns)
        self._health.new_second()
        self._growth = before, self._read()
        self._looked_at = self.cell.recorder.deliveries - deliveries
        self._cpu_s = time.process_time() - cpu_s

    def _read(self) -> TcpTotals | None:
        """Return what the users' sockets have brought so far; bytes only as far as their deliveries are counted.

        What is due at the very instant of a look may have reached the kernel, and not be counted before the other look.
        """
        totals = sum_totals(self.cell.users)
        open_connections = {
            user.connection for user in self.cell.users if isinstance(user, RawUser) and user.connection is not None
        }
        if totals is None:
            return None
        return totals._replace(bytes_received=totals.bytes_received - self.cell.inbox.unparsed_bytes(open_connections))

    def _sleep_until(self, due_ns: int) -> None:
        left_s = (due_ns - time.monotonic_ns()) / NS_PER_S
        if left_s > 0:
            self._stopped.wait(left_s)
        else:
            gevent.sleep(0)
