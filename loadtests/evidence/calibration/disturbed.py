"""A generator that is disturbed on purpose.

`python -m loadtests.evidence.calibration.disturbed HOW LEVEL_MS SERVER_PID SPEC.json OUT_DIR`; HOW is one of `PLANTS`.
In the study's disturbed windows its reads, its publications or its whole hub come LEVEL_MS late. It leaves what a
generator leaves, and `windows.TICKS`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from loadtests.evidence.calibration.windows import TICKS, disturbed
from loadtests.load.users import generator, transports
from loadtests.load.users.cell import Cell
from loadtests.load.users.hub import Alarms, Readers
from loadtests.load.users.publisher import Publisher
from loadtests.load.users.setup import read_spec
from loadtests.run.process import run_before_others

assert transports  # Locust's classes, which a spec names
LATE_EVERY = 10
"""One publication in so many is late: a publisher is held up now and then, and the gate's figure is a p99."""

_TICK_NS = 10_000_000
_LAG_EVERY_NS = 23_000_000  # no multiple of the ticks' 10 ms: they meet all phases of it


class LateReaders(Readers):
    """Reads a socket so long after it became readable; what comes in the meantime is read with it."""

    def __init__(self, alarms: Alarms, late_ns: int) -> None:
        super().__init__()
        self._alarms, self._late_ns = alarms, late_ns
        self._wanted: dict[int, Callable[[], None]] = {}

    def add(self, fd: int, callback: Callable[[], None]) -> None:
        """Watch `fd`."""
        self._wanted[fd] = callback
        super().add(fd, lambda: self._readable(fd, callback))

    def remove(self, fd: int) -> None:
        """Watch `fd` no more."""
        self._wanted.pop(fd, None)
        super().remove(fd)

    def _readable(self, fd: int, callback: Callable[[], None]) -> None:
        now_ns = time.monotonic_ns()
        if disturbed(now_ns):
            super().remove(fd)
            self._alarms.at(now_ns + self._late_ns, lambda: self._read(fd, callback))
        else:
            callback()

    def _read(self, fd: int, callback: Callable[[], None]) -> None:
        # The connection may have been closed, and its number given to another, while it waited.
        if self._wanted.get(fd) is callback:
            self.add(fd, callback)
            callback()


class LatePublishers(Alarms):
    """Rings every tenth alarm of a publisher late."""

    def __init__(self, late_ns: int) -> None:
        super().__init__()
        self._late_ns = late_ns
        self._publications = 0

    def at(self, due_ns: int, callback: Callable[[], None]) -> None:
        """Set an alarm."""
        if isinstance(getattr(callback, "__self__", None), Publisher) and disturbed(due_ns):
            self._publications += 1
            due_ns += self._late_ns if self._publications % LATE_EVERY == 0 else 0
        super().at(due_ns, callback)


def _late_reader(cell: Cell, late_ns: int) -> None:
    cell.readers.close()
    cell.readers = LateReaders(cell.alarms, late_ns)


def _late_publisher(cell: Cell, late_ns: int) -> None:
    cell.alarms.close()
    cell.alarms = LatePublishers(late_ns)


def _hub_lag(cell: Cell, late_ns: int) -> None:
    def hold_up() -> None:
        now_ns = time.monotonic_ns()
        cell.alarms.at(now_ns + _LAG_EVERY_NS, hold_up)
        while disturbed(now_ns) and time.monotonic_ns() < now_ns + late_ns:
            pass

    cell.alarms.at(time.monotonic_ns(), hold_up)


def _nothing(cell: Cell, late_ns: int) -> None:
    """Leave the generator alone: what disturbs it is another process."""


PLANTS: Mapping[str, Callable[[Cell, int], None]] = {
    "late reader": _late_reader,
    "late publisher": _late_publisher,
    "hub lag": _hub_lag,
    "hog": _nothing,
}


def _count_ticks(alarms: Alarms, server_pid: str) -> list[tuple[int, int, int]]:
    """Begin to record what `TICKS` holds; a tick that a stall swallowed was late too."""
    ticks: list[tuple[int, int, int]] = []
    schedules = [
        os.open(path, os.O_RDONLY)
        for path in ("/proc/self/schedstat", f"/proc/{server_pid}/schedstat")
        if Path(path).exists()
    ]
    next_ns = time.monotonic_ns() + _TICK_NS

    def tick() -> None:
        nonlocal next_ns
        now_ns = time.monotonic_ns()
        waited_ns = sum(int(os.pread(schedule, 100, 0).split()[1]) for schedule in schedules)
        while next_ns <= now_ns:
            ticks.append((next_ns, now_ns - next_ns, waited_ns))
            next_ns += _TICK_NS
        alarms.at(next_ns, tick)

    alarms.at(next_ns, tick)
    return ticks


def _run_before_others() -> None:
    run_before_others(0)


def main(arguments: list[str]) -> int:
    """Run one cell; returns the generator's exit code."""
    how, level_ms, server_pid, spec, out = arguments
    cell, environment = generator.open_cell(read_spec(Path(spec)))
    PLANTS[how](cell, int(float(level_ms) * 1e6))
    if how != "hog":
        # By an alarm: the generator asks for a scheduling class of its own when it begins.
        cell.alarms.at(time.monotonic_ns(), _run_before_others)
    ticks = _count_ticks(cell.alarms, server_pid)
    code = generator.run(cell, environment, Path(out))
    (Path(out) / TICKS).write_bytes(msgspec.json.encode(ticks))
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
