"""Who was short of processor while a cell was measured, server or generator: by CPU, run queue, throttling and lag."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.records.schema import Cell, Pressure
from loadtests.run import sampler
from loadtests.run.sampler import Reading

SERVER, GENERATOR = "the server", "the generator"

FULL_SHARE = 0.9
"""Of what it may have: a process on one core that used so much of it had no rest worth the name."""

THROTTLED_PERCENT = 20.0
GENERATOR_FULL_PERCENT = 80.0
GENERATOR_LAG_MS = 2.0


def pressure(
    readings: Sequence[Reading], from_ns: int, to_ns: int, held_percent: float | None, server_cores: int = 1
) -> Pressure:
    """Return the shares of the phase [from, to); `held_percent` is what of a core the server was held to."""
    cpu_ns = sampler.server_cpu_ns(readings, from_ns, to_ns)
    waited_ns = sampler.between_whole(readings, from_ns, to_ns, "server_waited_ns")
    throttled_ns = sampler.between_whole(readings, from_ns, to_ns, "server_throttled_ns")
    if waited_ns is not None and throttled_ns is not None:
        waited_ns = max(0.0, waited_ns - throttled_ns)  # the kernel counts both as waiting
    generator_ns = sampler.between_whole(readings, from_ns, to_ns, "generator_waited_ns")

    def percent(spent_ns: float | None) -> float | None:
        return None if spent_ns is None else 100.0 * spent_ns / (to_ns - from_ns)

    return Pressure(
        server_cpu_percent=percent(cpu_ns),
        server_waiting_percent=percent(waited_ns),
        server_held_percent=held_percent,
        server_throttled_percent=percent(throttled_ns) if held_percent is not None else None,
        generator_waiting_percent=percent(generator_ns),
        server_cores=server_cores,
    )


def who_gave_up(cell: Cell) -> str:
    """Return SERVER or GENERATOR, whichever alone was at its limit; empty where none or both were, or may have been."""
    server, generator = _server_full(cell.pressure), _generator_full(cell)
    if server is None or server == generator:
        return ""
    return SERVER if server else GENERATOR


def evidence(cell: Cell) -> str:
    """Return the figures that it is decided by, in words; empty without any."""
    of, health = cell.pressure, cell.instrument
    if of is None or health is None:
        return ""
    held = "a core" if of.server_cores == 1 else f"{of.server_cores} cores"
    if of.server_held_percent is not None:
        held = f"{of.server_held_percent:g} % of a core"
    said = (
        ("server CPU", of.server_cpu_percent, f" % of a core, where it may have {held}"),
        ("throttled", of.server_throttled_percent, " % of the time"),
        ("in the run queue", of.server_waiting_percent, " %"),
        ("generator CPU", health.cpu_percent, " % of a core"),
        ("in the run queue", of.generator_waiting_percent, " %"),
        ("hub lag p99", health.hub_lag_ms_p99, " ms"),
    )
    return ", ".join(f"{name} {value:.3g}{unit}" for name, value, unit in said if value is not None)


def _server_full(of: Pressure | None) -> bool | None:
    """Return whether it was; None where one of its processes may have filled a core, or all shared several."""
    if of is None or of.server_cpu_percent is None:
        return False
    if of.server_held_percent is None and of.server_cores > 1:
        if of.server_cpu_percent >= FULL_SHARE * 100.0 * of.server_cores:
            return True
        return None if of.server_cpu_percent >= FULL_SHARE * 100.0 else False
    allowed = 100.0 if of.server_held_percent is None else of.server_held_percent
    return of.server_cpu_percent >= FULL_SHARE * allowed or (of.server_throttled_percent or 0.0) > THROTTLED_PERCENT


def _generator_full(cell: Cell) -> bool:
    health = cell.instrument
    if health is None:
        return False
    lag_ms = max(health.hub_lag_ms_p99 or 0.0, health.publish_lateness_ms_p99 or 0.0)
    return (health.cpu_percent or 0.0) >= GENERATOR_FULL_PERCENT or lag_ms > GENERATOR_LAG_MS
