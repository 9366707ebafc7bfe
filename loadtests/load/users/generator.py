"""The generator process: `python -m loadtests.load.users.generator SPEC.json OUT_DIR` measures one cell.

Progress goes to standard output, one JSON object a line (`loadtests.records.cell_spec.Progress`); Locust's log goes to
standard error. Exit codes: 0 done, 1 nothing could be measured, 2 bad arguments, 128 + N after signal N (what was
recorded until then is written).
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

import gevent
import msgspec
from locust.env import Environment

from loadtests.load.users import kernel_calls
from loadtests.load.users.cell import Cell, UserSlot, attach
from loadtests.load.users.measurement import Failed, Measurement, count_users
from loadtests.load.users.publisher import KINDS
from loadtests.load.users.transports import USER_CLASSES, load_user_class
from loadtests.records.cell_spec import DIRECTIONS, DOWNSTREAM, FOREIGN_USER, CellSpec, Progress
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
        write_atomically(out_dir / "generator.json", _ENCODER.encode(measurement.result()))
    except RunError as error:
        failure = failure or str(error)
    if failure:
        measurement.say("failed", failure)
        return 1
    measurement.say("done", measurement.interrupted)
    return 128 + signals[0] if signals else 0


def read_spec(path: Path) -> CellSpec:
    """Read and check a CellSpec; raises OSError, or ValueError with the value and what is allowed."""
    try:
        spec = msgspec.json.decode(path.read_bytes(), type=CellSpec)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    load = spec.load
    rules = (
        (
            spec.user_class in USER_CLASSES or (spec.user_class == FOREIGN_USER and spec.adapter is not None),
            f"user_class {spec.user_class!r}; expected one of {', '.join(USER_CLASSES)}, or "
            f"{FOREIGN_USER} with an adapter",
        ),
        (load.subscribers >= 1, f"subscribers {load.subscribers}; expected 1 or more"),
        (load.rate_per_s >= 0, f"rate_per_s {load.rate_per_s}; expected 0 or more"),
        (load.rooms >= 1, f"rooms {load.rooms}; expected 1 or more"),
        (load.publishers >= 1, f"publishers {load.publishers}; expected 1 or more"),
        (load.arrivals in KINDS, f"arrivals {load.arrivals!r}; expected one of {', '.join(KINDS)}"),
        (load.direction in DIRECTIONS, f"direction {load.direction!r}; expected one of {', '.join(DIRECTIONS)}"),
        (
            load.direction == DOWNSTREAM or load.publishers * load.rooms == load.subscribers,
            f"{load.publishers} publishers per room in direction {load.direction!r}; expected all who listen there",
        ),
        (load.payload_bytes <= 4096, f"payload_bytes {load.payload_bytes}; expected 4096 or less"),
        (load.poll_interval_s > 0, f"poll_interval_s {load.poll_interval_s}; expected more than 0"),
        (len(spec.room_names) >= load.rooms, f"{len(spec.room_names)} room_names; expected {load.rooms}"),
        (len(spec.tokens) >= 1, "no tokens; expected 1 or more"),
        (spec.connects_per_s > 0, f"connects_per_s {spec.connects_per_s}; expected more than 0"),
        (spec.measured_s > 0, f"measured_s {spec.measured_s}; expected more than 0"),
    )
    for holds, complaint in rules:
        if not holds:
            raise ValueError(f"{path}: {complaint}")
    return spec


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

    environment = Environment(user_classes=[load_user_class(spec.user_class)], host=spec.host)
    cell = Cell(
        spec,
        environment,
        slot_of=slot_of,
        token_for=lambda slot: spec.tokens[slot.number % len(spec.tokens)],
    )
    attach(environment, cell)
    return cell, environment


def _interrupt(measurement: Measurement, signals: list[int], number: int) -> None:
    signals.append(number)
    measurement.stop(f"interrupted by {signal.Signals(number).name}")


def _report(progress: Progress) -> None:
    sys.stdout.write(_ENCODER.encode(progress).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
