"""The generator process: `python -m loadtests.load.users.generator SPEC.json OUT_DIR` measures one cell.

Progress goes to standard output, one JSON object a line (`loadtests.records.cell_spec.Progress`); Locust's log goes to
standard error. Exit codes: 0 done, 1 nothing could be measured, 2 bad arguments, 128 + N after signal N (what was
recorded until then is written).
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import msgspec
from gevent.event import Event
from locust import User
from locust.env import Environment

from loadtests.load.clients.sockets import SocketTotals as TcpTotals
from loadtests.load.users import kernel_calls
from loadtests.load.users.cell import Cell, UserSlot, attach
from loadtests.load.users.health import GeneratorHealth, growth, sum_totals
from loadtests.load.users.publisher import NS_PER_S
from loadtests.load.users.raw_user import RawUser
from loadtests.load.users.recorder import write_outages
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.setup import read_spec
from loadtests.load.users.transports import load_user_class
from loadtests.records import notes
from loadtests.records.cell_spec import DOWNSTREAM, CellSpec, GeneratorResult, Load, Progress
from loadtests.records.errors import RunError
from loadtests.records.store import write_atomically

_ENCODER = msgspec.json.Encoder()
_LEAD_NS = 100_000_000  # between the last connection and the first publication
_LOOK_S = 0.02


def main(arguments: list[str]) -> int:
    """Run one cell; returns the exit code."""
    if len(arguments) != 2:
        print("usage: python -m loadtests.load.users.generator SPEC.json OUT_DIR", file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    out_dir = Path(arguments[1])
    try:
        spec = read_spec(Path(arguments[0]))
        out_dir.mkdir(parents=True, exist_ok=True)
        cell, environment = open_cell(spec)
    except (OSError, ValueError) as error:
        _report(Progress(event="failed", message=str(error)))
        return 2
    return run(cell, environment, out_dir)


def run(cell: Cell, environment: Environment, out_dir: Path) -> int:
    """Spawn the cell's users, measure, write; returns the exit code."""
    kernel_calls.shorten_slices()
    users = count_users(cell.spec)
    measurement = Measurement(cell, users, _report)
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, _interrupt, measurement, signals, number)
    runner = environment.create_local_runner()
    # All greenlets at once: each user waits for its own slot, so that connections are spaced evenly, not by the second.
    runner.start(users, spawn_rate=users)
    failure = ""
    try:
        measurement.run()
    except Failed as error:
        failure = str(error)
    runner.quit()
    cell.close()
    try:
        cell.recorder.write(out_dir, *measurement.window_ns)
        if cell.spec.disrupt is not None:
            write_outages(out_dir, cell.spec.cell, cell.outages.rows)
        write_atomically(out_dir / "generator.json", _ENCODER.encode(measurement.result()))
    except RunError as error:
        failure = failure or str(error)
    if failure:
        measurement.say("failed", failure)
        return 1
    measurement.say("done", measurement.interrupted)
    return 128 + signals[0] if signals else 0


def open_cell(spec: CellSpec) -> tuple[Cell, Environment]:
    """Make the cell and its Locust environment; raises AddressError."""
    load = spec.load

    def slot_of(number: int) -> UserSlot:
        if load.direction != DOWNSTREAM:
            return UserSlot(number, number % load.rooms, True, number if load.rate_per_s and not spec.hold_s else -1)
        publisher = number - load.subscribers
        if publisher < 0:
            return UserSlot(number, number % load.rooms, True, -1)
        return UserSlot(number, publisher % load.rooms, False, publisher)

    arriving: list[Iterator[UserSlot]] = []  # the slots of the class whose user is being made
    classes: list[type[User]] = [
        _seated(load_user_class(name), list(_slots(room, load)), arriving)
        for room, name in enumerate(spec.room_classes)
    ]
    environment = Environment(user_classes=classes or [load_user_class(spec.user_class)], host=spec.host)
    cell = Cell(
        spec,
        environment,
        slot_of=(lambda _: next(arriving[-1])) if classes else slot_of,
        token_for=lambda slot: spec.tokens[slot.number % len(spec.tokens)],
    )
    attach(environment, cell)
    return cell, environment


def _slots(room: int, load: Load) -> Iterator[UserSlot]:
    """Yield the slots of one room of several classes: subscriber i listens in room i % rooms, publisher j in room j."""
    for number in range(room, load.subscribers, load.rooms):
        yield UserSlot(number, room, True, -1)
    yield UserSlot(load.subscribers + room, room, False, room)


def _seated(user_class: type[RoomUser], slots: list[UserSlot], arriving: list[Iterator[UserSlot]]) -> type[RoomUser]:
    """Return the class with slots of its own, one user for each: Locust spawns classes in an order of its own."""
    waiting = iter(slots)

    def take_place(user: RoomUser, environment: Environment) -> None:
        arriving.append(waiting)
        user_class.__init__(user, environment)
        arriving.pop()

    members = {"__init__": take_place, "fixed_count": len(slots), "abstract": False}
    return type(user_class.__name__, (user_class,), members)


def count_users(spec: CellSpec) -> int:
    """Subscribers and publishers of a cell."""
    load = spec.load
    return load.users if load.rate_per_s and not spec.hold_s else load.subscribers


class Failed(Exception):
    """The cell could not be measured; the message says why."""


class Measurement:
    """Runs one cell whose users have been spawned. `stop` ends it early; what was recorded stays."""

    def __init__(self, cell: Cell, expected_users: int, report: Callable[[Progress], None]) -> None:
        self.cell = cell
        self.interrupted = ""
        self._expected_users = expected_users
        self._report = report
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
        spec = self.cell.spec
        if spec.hold_s:
            self._from_ns = time.monotonic_ns()
            self._to_ns = self._from_ns + int(spec.hold_s * NS_PER_S)
            self._measure()
            self.say("held")
            return
        start_ns = time.monotonic_ns() + _LEAD_NS
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


def _interrupt(measurement: Measurement, signals: list[int], number: int) -> None:
    signals.append(number)
    measurement.stop(f"interrupted by {signal.Signals(number).name}")


def _report(progress: Progress) -> None:
    sys.stdout.write(_ENCODER.encode(progress).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
