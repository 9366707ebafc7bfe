"""Samples server, generator and machine while a cell runs, in a thread; the timeline and CPU per phase from that."""

from __future__ import annotations

import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from loadtests.records.cell_spec import GeneratorResult, GeneratorSecond
from loadtests.records.schema import TIMELINE, Phase
from loadtests.run import procfs

_SECOND_NS = 1_000_000_000
_TICK_S = 0.25
TICKS_PER_SCRAPE = 4
"""Only CPU clocks are read at each tick. /metrics costs the server about a millisecond, and each file of /proc a tenth
of one in the kernel, which many kernels do not preempt, not even for a message's reader: once a second is enough."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Cumulative CPU at one instant; once a second present memory and the machine's CPU too."""

    t_ns: int  # CLOCK_MONOTONIC
    server_cpu_ns: int
    generator_cpu_ns: int
    server_rss_kib: float = float("nan")  # not read at this tick
    generator_rss_kib: float = float("nan")  # likewise
    machine_busy_ns: int = -1  # likewise
    server_connections: int = -1  # likewise, or /metrics not readable
    server_outbox_bytes: int = -1  # likewise
    server_waited_ns: int = -1  # likewise, as are the following: in the run queue, or throttled
    server_throttled_ns: int = -1
    generator_waited_ns: int = -1


class Sampler(AbstractContextManager["Sampler"]):
    """A thread that takes a `Reading` every quarter of a second until it is left."""

    def __init__(
        self,
        server_pids: Callable[[], tuple[int, ...]],
        generator_pids: Callable[[], tuple[int, ...]],
        metrics: Callable[[], str | None],
        throttled_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        """Prepare; `metrics` returns the server's Prometheus text or None when it can't be had.

        `throttled_ns` returns how long a quota kept the server from running so far.
        """
        self._server_pids = server_pids
        self._generator_pids = generator_pids
        self._metrics = metrics
        self._throttled_ns = throttled_ns
        self.readings: list[Reading] = []  # in order of time, once it is left
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Sampler:
        # The first and the last reading are the caller's: where no core is free, the thread may not get to run.
        self.readings.append(self.read(whole=True))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)
        self.readings.append(self.read(whole=False))
        self.readings.sort(key=lambda reading: reading.t_ns)  # two threads took them

    def mark(self) -> None:
        """Read here and now what the whole machine has used, before something foreign to the cell begins."""
        self.readings.append(replace(self.read(whole=False), machine_busy_ns=procfs.machine_busy_ns()))

    def _run(self) -> None:
        _stand_back()
        tick = 1
        start = time.monotonic()
        while not self._stop.wait(max(0.0, start + tick * _TICK_S - time.monotonic())):
            self.readings.append(self.read(whole=tick % TICKS_PER_SCRAPE == 0))
            tick += 1

    def read(self, *, whole: bool) -> Reading:
        """Take one reading now; of CPU alone unless it is to be `whole`."""
        server, generator = self._server_pids(), self._generator_pids()
        cpu = Reading(time.monotonic_ns(), procfs.cpu_ns(server), procfs.cpu_ns(generator))
        if not whole:
            return cpu
        busy_ns = procfs.machine_busy_ns()
        waited_ns = [-1 if of is None else of for of in map(procfs.waited_ns, (server, generator))]
        connections = outbox_bytes = -1
        if (text := self._metrics()) is not None:
            # A labelled metric has no line until its first value: absent is nought.
            connections = int(procfs.metric_total(text, "rtlab_connections") or 0)
            outbox_bytes = int(procfs.metric_total(text, "rtlab_outbox_bytes") or 0)
        return replace(
            cpu,
            server_rss_kib=procfs.rss_kib(server),
            generator_rss_kib=procfs.rss_kib(generator),
            machine_busy_ns=busy_ns,
            server_connections=connections,
            server_outbox_bytes=outbox_bytes,
            server_waited_ns=waited_ns[0],
            server_throttled_ns=self._throttled_ns(),
            generator_waited_ns=waited_ns[1],
        )


def _stand_back() -> None:
    """Let this thread run only on a core that no other thread wants.

    It wakes four times a second on whatever core is free, also the generator's; as an equal it would keep a message's
    reader waiting for its whole time slice, some milliseconds.
    """
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def timeline(cell: str, readings: Sequence[Reading], result: GeneratorResult) -> pa.Table:
    """Return one row per second (`TIMELINE`): rates between readings a second apart, memory at its end."""
    rows: list[dict[str, object]] = []
    for before, after in itertools.pairwise(_each_second(readings)):
        second_ns = after.t_ns - before.t_ns
        server = _percent(after.server_cpu_ns - before.server_cpu_ns, second_ns)
        generator = _percent(after.generator_cpu_ns - before.generator_cpu_ns, second_ns)
        busy = _percent(after.machine_busy_ns - before.machine_busy_ns, second_ns)
        row = {
            "cell": cell,
            "t_ns": after.t_ns,
            "phase": _phase(after.t_ns, result),
            "server_cpu_percent": server,
            "server_rss_kib": after.server_rss_kib,
            "server_connections": after.server_connections,
            "server_outbox_bytes": after.server_outbox_bytes,
            "generator_cpu_percent": generator,
            "generator_rss_kib": after.generator_rss_kib,
            "generator_lag_ms": _lag_ms(before.t_ns, after.t_ns, result.seconds),
            "foreign_cpu_percent": max(0.0, busy - server - generator),
        }
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=TIMELINE)


def _each_second(readings: Sequence[Reading]) -> list[Reading]:
    """Keep the readings a second apart: those with a scrape, or whole ones if /metrics never answered."""
    scraped = [reading for reading in readings if reading.server_connections >= 0]
    return scraped if len(scraped) > 1 else [each for each in readings if not math.isnan(each.server_rss_kib)]


def _percent(used_ns: int, of_ns: int) -> float:
    return 100.0 * max(0, used_ns) / of_ns if of_ns > 0 else 0.0


def _phase(t_ns: int, result: GeneratorResult) -> int:
    measured = result.measured_from_ns < t_ns <= result.measured_to_ns
    return Phase.MEASURED if measured else Phase.WARM_UP


def _lag_ms(from_ns: int, to_ns: int, seconds: Sequence[GeneratorSecond]) -> float:
    """Return the worst lag that the generator reported within the second; NaN if it reported none."""
    return max((second.lag_ms for second in seconds if from_ns < second.t_ns <= to_ns), default=float("nan"))


def server_cpu_ns(readings: Sequence[Reading], from_ns: int, to_ns: int) -> float | None:
    """Return the server's CPU between two instants, interpolated between readings.

    None without readings around, and where no process of the server could be seen.
    """
    if not any(reading.server_cpu_ns for reading in readings):
        return None
    return _between(readings, from_ns, to_ns, [float(reading.server_cpu_ns) for reading in readings])


def foreign_cpu_percent(readings: Sequence[Reading], from_ns: int, to_ns: int) -> float | None:
    """Return what neither server nor generator used between two instants, of one core; None without readings."""
    whole = [reading for reading in readings if reading.machine_busy_ns >= 0]
    foreign = [float(reading.machine_busy_ns - reading.server_cpu_ns - reading.generator_cpu_ns) for reading in whole]
    used = _between(whole, from_ns, to_ns, foreign)
    return None if used is None else max(0.0, 100.0 * used / (to_ns - from_ns))


def between_whole(readings: Sequence[Reading], from_ns: int, to_ns: int, name: str) -> float | None:
    """Return by how much a cumulative figure of whole readings grew between two instants; None without readings."""
    whole = [reading for reading in readings if getattr(reading, name) >= 0]
    return _between(whole, from_ns, to_ns, [float(getattr(reading, name)) for reading in whole])


def _between(readings: Sequence[Reading], from_ns: int, to_ns: int, cumulative: Sequence[float]) -> float | None:
    times = [reading.t_ns for reading in readings]
    # A reading is up to a second from the next: as much may be uncovered.
    if len(times) < 2 or to_ns <= from_ns or times[0] > from_ns or times[-1] < to_ns - _SECOND_NS:
        return None
    at_from, at_to = np.interp([from_ns, to_ns], times, cumulative)
    return float(at_to - at_from)
