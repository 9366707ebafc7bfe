"""Samples server, generator and machine while a cell runs, in a thread of the lab."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from loadtests.lab import procfs

_TICK_S = 0.25
TICKS_PER_SCRAPE = 4  # /metrics costs the server about a millisecond: once a second is enough


@dataclass(frozen=True, slots=True)
class Reading:
    """Cumulative CPU and present memory at one instant."""

    t_ns: int  # CLOCK_MONOTONIC
    server_cpu_ns: int
    server_rss_kib: float
    generator_cpu_ns: int
    generator_rss_kib: float
    machine_busy_ns: int
    server_connections: int  # -1: /metrics not read at this tick, or not readable
    server_outbox_bytes: int  # likewise


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
            self._readings.append(self.read(scrape=tick % TICKS_PER_SCRAPE == 0))
            tick += 1

    def read(self, *, scrape: bool) -> Reading:
        """Take one reading now."""
        connections = outbox_bytes = -1
        if scrape and (text := self._metrics()) is not None:
            # A labelled metric has no line until its first value: absent is nought.
            connections = int(procfs.metric_total(text, "rtlab_connections") or 0)
            outbox_bytes = int(procfs.metric_total(text, "rtlab_outbox_bytes") or 0)
        server, generator = self._server_pids(), self._generator_pids()
        return Reading(
            t_ns=time.monotonic_ns(),
            server_cpu_ns=procfs.cpu_ns(server),
            server_rss_kib=procfs.rss_kib(server),
            generator_cpu_ns=procfs.cpu_ns(generator),
            generator_rss_kib=procfs.rss_kib(generator),
            machine_busy_ns=procfs.machine_busy_ns(),
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
