"""From readings to the timeline's rows and to CPU per phase. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from loadtests.records.cell_spec import GeneratorResult, GeneratorSecond
from loadtests.records.schema import TIMELINE, Phase
from loadtests.run.sampler import TICKS_PER_SCRAPE, Reading

_SECOND_NS = 1_000_000_000


def table(cell: str, readings: Sequence[Reading], result: GeneratorResult) -> pa.Table:
    """Return one row per second (`TIMELINE`): rates between readings a second apart, memory at its end."""
    columns: dict[str, list[object]] = {name: [] for name in TIMELINE.names}
    for before, after in itertools.pairwise(_each_second(readings)):
        second_ns = after.t_ns - before.t_ns
        server = _percent(after.server_cpu_ns - before.server_cpu_ns, second_ns)
        generator = _percent(after.generator_cpu_ns - before.generator_cpu_ns, second_ns)
        busy = _percent(after.machine_busy_ns - before.machine_busy_ns, second_ns)
        row: dict[str, object] = {
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
        for name, value in row.items():
            columns[name].append(value)
    return pa.table(columns, schema=TIMELINE)


def _each_second(readings: Sequence[Reading]) -> list[Reading]:
    """Keep the readings a second apart: those with a scrape, or as many if /metrics never answered."""
    scraped = [reading for reading in readings if reading.server_connections >= 0]
    return scraped if len(scraped) > 1 else list(readings[::TICKS_PER_SCRAPE])


def _percent(used_ns: int, of_ns: int) -> float:
    return 100.0 * max(0, used_ns) / of_ns if of_ns > 0 else 0.0


def _phase(t_ns: int, result: GeneratorResult) -> int:
    measured = result.measured_from_ns < t_ns <= result.measured_to_ns
    return Phase.MEASURED if measured else Phase.WARM_UP


def _lag_ms(from_ns: int, to_ns: int, seconds: Sequence[GeneratorSecond]) -> float:
    """Return the worst lag the generator told within the second; NaN if it told none."""
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


def _between(readings: Sequence[Reading], from_ns: int, to_ns: int, cumulative: Sequence[float]) -> float | None:
    times = [reading.t_ns for reading in readings]
    # A reading is up to a second from the next: as much may lie outside.
    if len(times) < 2 or to_ns <= from_ns or times[0] > from_ns or times[-1] < to_ns - _SECOND_NS:
        return None
    at_from, at_to = np.interp([from_ns, to_ns], times, cumulative)
    return float(at_to - at_from)
