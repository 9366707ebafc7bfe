"""Samples server, generator and machine while a cell runs, in a thread of the lab."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from loadtests.run import procfs

_TICK_S = 0.25
TICKS_PER_SCRAPE = 4
"""Only CPU clocks are read at each tick. /metrics costs the server about a millisecond, and each file of /proc a tenth
of one in the kernel, which many kernels let nobody interrupt, a message's reader neither: once a second is enough."""


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


class Sampler:
    """A thread that takes a `Reading` every quarter of a second until it is left."""

    def __init__(
        self,
        server_pids: Callable[[], tuple[int, ...]],
        generator_pids: Callable[[], tuple[int, ...]],
        metrics: Callable[[], str | None],
    ) -> None:
        """Prepare; `metrics` returns the server's Prometheus text or None when it can't be had."""
        self._server_pids = server_pids
        self._generator_pids = generator_pids
        self._metrics = metrics
        self._readings: list[Reading] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What was read so far, in order of time."""
        return tuple(self._readings)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        _stand_back()
        tick = 0
        start = time.monotonic()
        while not self._stop.wait(max(0.0, start + tick * _TICK_S - time.monotonic())):
            self._readings.append(self.read(whole=tick % TICKS_PER_SCRAPE == 0))
            tick += 1

    def read(self, *, whole: bool) -> Reading:
        """Take one reading now; of CPU alone unless it is to be `whole`."""
        server, generator = self._server_pids(), self._generator_pids()
        cpu = Reading(time.monotonic_ns(), procfs.cpu_ns(server), procfs.cpu_ns(generator))
        if not whole:
            return cpu
        busy_ns = procfs.machine_busy_ns()
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
        )


def _stand_back() -> None:
    """Let this thread run only where nobody else wants to.

    It wakes four times a second on whatever core is free, also the generator's; as an equal it would keep a message's
    reader waiting for its whole time slice, some milliseconds.
    """
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
