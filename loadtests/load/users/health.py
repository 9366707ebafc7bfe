"""The generator's own life, second by second: CPU, memory, and how late its hub is."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable

import numpy as np
import psutil

from loadtests.load.clients.sockets import HAS_KERNEL_STAMPS
from loadtests.load.clients.sockets import SocketTotals as TcpTotals
from loadtests.load.users.cell import Cell, ListeningUser
from loadtests.load.users.publisher import NS_PER_S
from loadtests.records import notes
from loadtests.records.cell_spec import GeneratorResult, GeneratorSecond, SocketTotals
from loadtests.records.schema import Phase

_TICK_NS = 10_000_000


class GeneratorHealth:
    """Samples at each second's end, tells the reporter the delivery rate, and samples the clock offset at each tick."""

    def __init__(self, cell: Cell, each_second: Callable[[], None]) -> None:
        """Prepare; `each_second` is called in the hub."""
        self._cell = cell
        self._each_second = each_second
        self._process = psutil.Process()
        self._lag_ns = 0
        self._ticks = array("q")  # when each was due, how late it came
        self._last_cpu_s = time.process_time()
        self._last_deliveries = 0
        self._next_tick_ns = 0
        self._last_second_ns = self._next_second_ns = 0
        self.rows: list[tuple[int, int, float, float, float]] = []  # began ns, ended ns, CPU %, RSS KiB, lag ms

    def start(self) -> None:
        """Begin to sample."""
        self._last_second_ns = time.monotonic_ns()
        self._next_tick_ns = self._last_second_ns + _TICK_NS
        self._next_second_ns = self._last_second_ns + NS_PER_S
        self._cell.alarms.at(self._next_tick_ns, self._tick)

    def new_second(self) -> None:
        """End the running second here and now: what went before must not be counted to what comes."""
        now_ns = time.monotonic_ns()
        if now_ns - self._last_second_ns >= _TICK_NS:  # else it has only just begun
            self._second(now_ns)
            self._next_second_ns = now_ns + NS_PER_S

    def seconds(self, from_ns: int, to_ns: int) -> tuple[GeneratorSecond, ...]:
        """The rows so far; a second that began in [from, to) belongs to the measured phase."""
        return tuple(
            GeneratorSecond(
                t_ns=t_ns,
                phase=Phase.MEASURED if from_ns <= began_ns < to_ns else Phase.WARM_UP,
                cpu_percent=cpu_percent,
                rss_kib=rss_kib,
                lag_ms=lag_ms,
            )
            for began_ns, t_ns, cpu_percent, rss_kib, lag_ms in self.rows
        )

    def lag_ms_p99(self, from_ns: int, to_ns: int) -> float | None:
        """99th percentile of the lateness of the ticks due in [from, to); None where none was."""
        due_ns, late_ns = np.array(self._ticks, dtype=np.int64).reshape(-1, 2).T
        late_ns = late_ns[(due_ns >= from_ns) & (due_ns < to_ns)]
        return float(np.percentile(late_ns, 99)) / 1e6 if len(late_ns) else None

    def result(self, from_ns: int, to_ns: int, until_ns: int | None) -> GeneratorResult:
        """Return what `generator.json` says of the phase [from, to), but for what only a look at its ends can tell.

        `sockets`, `cpu_s` and `looked_at` are left empty; `clock_steps` counts from the start.
        """
        cell = self._cell
        errors = notes.most(cell.errors)
        if cell.recorder.dropped:
            errors["delivery not kept: the recorder was full"] = cell.recorder.dropped
        refused, unanswered = cell.recorder.failed(from_ns, to_ns)
        return GeneratorResult(
            cell=cell.spec.cell,
            clock="kernel" if HAS_KERNEL_STAMPS and cell.stamped else "user",
            subscribers_connected=len(cell.connect_ms),
            measured_from_ns=from_ns,
            measured_to_ns=to_ns,
            connect_ms=tuple(cell.connect_ms),
            sockets=None,
            seconds=self.seconds(from_ns, to_ns),
            hub_lag_ms_p99=self.lag_ms_p99(from_ns, to_ns),
            cpu_s=0.0,
            refused=refused,
            unanswered=unanswered,
            until_ns=until_ns,
            told_gaps=cell.told_gaps,
            reconnects=cell.reconnects,
            errors=errors,
            clock_steps=cell.clock.steps,
            strangers=cell.recorder.foreign_clock,
        )

    def _tick(self) -> None:
        now_ns, due_ns = time.monotonic_ns(), self._next_tick_ns
        # A stall swallows the ticks that fall into it: each of them was late too.
        while self._next_tick_ns <= now_ns:
            self._ticks.extend((self._next_tick_ns, now_ns - self._next_tick_ns))
            self._next_tick_ns += _TICK_NS
        self._cell.alarms.at(self._next_tick_ns, self._tick)  # before anything here can fail
        self._lag_ns = max(self._lag_ns, now_ns - due_ns)
        self._look_at_the_clocks()
        if now_ns >= self._next_second_ns:
            self._second(now_ns)

    def _look_at_the_clocks(self) -> None:
        # At each tick: what was read between a step and its discovery has a stamp that is off by the step.
        clock = self._cell.clock
        steps = clock.steps
        clock.refresh()
        if clock.steps > steps:
            self._cell.note("wall clock stepped: kernel stamps of the 10 ms before may be off by the step")

    def _second(self, now_ns: int) -> None:
        elapsed_s = (now_ns - self._last_second_ns) / NS_PER_S
        cpu_s = time.process_time()
        rss_kib = self._process.memory_info().rss / 1024
        self.rows.append(
            (self._last_second_ns, now_ns, 100 * (cpu_s - self._last_cpu_s) / elapsed_s, rss_kib, self._lag_ns / 1e6)
        )
        self._last_cpu_s, self._lag_ns = cpu_s, 0
        self._last_second_ns = now_ns
        self._next_second_ns += ((now_ns - self._next_second_ns) // NS_PER_S + 1) * NS_PER_S
        deliveries = self._cell.recorder.deliveries
        self._cell.reporter.adapt(deliveries - self._last_deliveries)
        self._last_deliveries = deliveries
        self._each_second()


def sum_totals(users: list[ListeningUser]) -> TcpTotals | None:
    """TCP_INFO summed over the users; None where any of them has none."""
    totals = [user.socket_totals() for user in users]
    known = [each for each in totals if each is not None]
    if not known or len(known) < len(totals):
        return None
    return TcpTotals(*(sum(column) for column in zip(*known, strict=True)))


def growth(before: TcpTotals | None, after: TcpTotals | None) -> SocketTotals | None:
    """What was added between two sums."""
    if before is None or after is None:
        return None
    return SocketTotals(
        bytes_received=after.bytes_received - before.bytes_received,
        bytes_sent=after.bytes_sent - before.bytes_sent,
        segments_in=after.segments_in - before.segments_in,
        segments_out=after.segments_out - before.segments_out,
        header_bytes_in=after.header_bytes_in - before.header_bytes_in,
        header_bytes_out=after.header_bytes_out - before.header_bytes_out,
        acks=after.acks_in + after.acks_out - before.acks_in - before.acks_out,
    )
