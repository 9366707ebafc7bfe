"""The generator process: `python -m loadtests.load.users.generator SPEC.json OUT_DIR` measures one cell.

Progress goes to standard output, one JSON object a line (`loadtests.records.cell_spec.Progress`); Locust's log goes to
standard error. Exit codes: 0 done, 1 nothing could be measured, 2 bad arguments, 128 + N after signal N (what was
recorded until then is written).
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import msgspec
from locust import User
from locust.env import Environment

from loadtests.load.users import kernel_calls
from loadtests.load.users.cell import Cell, UserSlot, attach
from loadtests.load.users.measurement import Failed, Measurement
from loadtests.load.users.recorder import write_outages
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.setup import read_spec
from loadtests.load.users.transports import load_user_class
from loadtests.records.cell_spec import ALONE, DOWNSTREAM, CellSpec, Load, Progress, Share
from loadtests.records.errors import RunError
from loadtests.records.store import write_atomically

_ENCODER = msgspec.json.Encoder()


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
        report(Progress(event="failed", message=str(error)))
        return 2
    return run(cell, environment, out_dir)


def run(cell: Cell, environment: Environment, out_dir: Path) -> int:
    """Spawn the cell's users, measure, write; returns the exit code."""
    kernel_calls.shorten_slices()
    users = count_users(cell.spec)
    measurement = Measurement(cell, users, report)
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
        leave(measurement, out_dir)
    except RunError as error:
        failure = failure or str(error)
    if failure:
        measurement.say("failed", failure)
        return 1
    measurement.say("done", measurement.interrupted)
    return 128 + signals[0] if signals else 0


def leave(measurement: Measurement, out_dir: Path) -> None:
    """Write what was recorded, once users have stopped; raises RunError."""
    cell = measurement.cell
    cell.recorder.write(out_dir, *measurement.window_ns)
    if cell.spec.disrupt is not None:
        write_outages(out_dir, cell.spec.cell, cell.outages.rows)
    write_atomically(out_dir / "generator.json", _ENCODER.encode(measurement.result()))


def open_cell(spec: CellSpec) -> tuple[Cell, Environment]:
    """Make the cell and its Locust environment; raises AddressError."""
    arriving: list[Iterator[UserSlot]] = []  # the slots of the class whose user is being made
    classes: list[type[User]] = [
        _seated(load_user_class(name), list(_slots(room, spec.load)), arriving)
        for room, name in enumerate(spec.room_classes)
    ]
    environment = Environment(user_classes=classes or [load_user_class(spec.user_class)], host=spec.host)
    if classes:
        return cell_in(environment, spec, lambda _: next(arriving[-1])), environment
    return cell_in(environment, spec, slots_of(spec, ALONE)), environment


def cell_in(environment: Environment, spec: CellSpec, slot_of: Callable[[int], UserSlot]) -> Cell:
    """Make the cell of `environment`; raises AddressError."""
    cell = Cell(spec, environment, slot_of=slot_of, token_for=lambda slot: spec.tokens[slot.number % len(spec.tokens)])
    attach(environment, cell)
    return cell


def slots_of(spec: CellSpec, share: Share) -> Callable[[int], UserSlot]:
    """Return what places the n-th user of a process that has this share of the cell's users."""
    load = spec.load

    def slot_of(spawned: int) -> UserSlot:
        number = share.worker + spawned * share.workers
        if load.direction != DOWNSTREAM:
            return UserSlot(number, number % load.rooms, True, number if load.rate_per_s and not spec.hold_s else -1)
        publisher = number - load.subscribers
        if publisher < 0:
            return UserSlot(number, number % load.rooms, True, -1)
        return UserSlot(number, publisher % load.rooms, False, publisher)

    return slot_of


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


def count_users(spec: CellSpec, share: Share = ALONE) -> int:
    """Subscribers and publishers of a cell that a process with this share of them has."""
    load = spec.load
    users = load.users if load.rate_per_s and not spec.hold_s else load.subscribers
    return len(range(share.worker, users, share.workers))


def _interrupt(measurement: Measurement, signals: list[int], number: int) -> None:
    signals.append(number)
    measurement.stop(f"interrupted by {signal.Signals(number).name}")


def report(progress: Progress) -> None:
    """Write one line of progress to standard output."""
    sys.stdout.write(_ENCODER.encode(progress).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
