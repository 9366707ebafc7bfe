"""What is known of the clocks of workers on other machines, in words; nothing where all workers shared one clock."""

from __future__ import annotations

import math

from loadtests.records.schema import Run, WorkerClock
from loadtests.report.quantity import digits

_MS_PER_S = 1e3


def lines(run: Run) -> tuple[str, ...]:
    """Return a sentence for each worker whose clock is not the master's, as its least certain cell has it."""
    worst: dict[str, WorkerClock] = {}
    for clock in (clock for cell in run.cells for clock in cell.clocks):
        worst[clock.worker] = max(worst.get(clock.worker, clock), clock, key=_uncertainty_ms)
    return tuple(_sentence(worst[worker]) for worker in sorted(worst))


def render_text(run: Run) -> str:
    """Return the sentences for a terminal."""
    return "\n".join(lines(run))


def _uncertainty_ms(clock: WorkerClock) -> float:
    return math.inf if clock.uncertainty_ms is None else clock.uncertainty_ms


def _sentence(clock: WorkerClock) -> str:
    if clock.offset_ms is None:
        return (
            f"{clock.worker} has another clock than the master, and its offset is not known: deliveries between the "
            "two are counted and have no latency"
        )
    ahead_s = -clock.offset_ms / _MS_PER_S
    side = "ahead of" if ahead_s > 0 else "behind"
    return (
        f"{clock.worker}: its clock is {abs(ahead_s):,.6f} s {side} the master's, "
        f"within {digits(clock.uncertainty_ms)} ms, and goes {_ppm(clock)}; "
        "intervals of p50 and p99 hold that uncertainty"
    )


def _ppm(clock: WorkerClock) -> str:
    faster = -(clock.drift_ppm or 0.0)
    way = "faster" if faster > 0 else "slower"
    return f"{abs(faster):.1f} ppm {way}, within {digits(clock.drift_uncertainty_ppm)} ppm"
