"""The figures of one condition by the short names that thresholds use, with the units they may be given in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadtests.report.condition import Result
    from loadtests.report.cost import Cost

MEMORY = "memory"
"""The one figure that is a transport's and not a condition's: it comes from cells that hold idle connections."""

UNITS: Mapping[str, Mapping[str, float]] = {
    "ms": {"us": 1e-3, "ms": 1.0, "s": 1e3},
    "us": {"us": 1.0, "ms": 1e3},
    "%": {"%": 1.0},
    "B": {"B": 1.0, "KiB": 1024.0},
    "KiB": {"KiB": 1.0, "MiB": 1024.0},
    "": {"": 1.0},
}
"""A figure's unit -> the units it may be written in, and what one of them is in the figure's own."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is called, its unit (a key of `UNITS`), and where it is found."""

    unit: str
    words: str
    of: Callable[[Result], float | None]  # None where it cannot be stated


def _value(cost: Cost | None) -> float | None:
    return None if cost is None else cost.value


def _reach_percent(result: Result) -> float | None:
    expected = result.total("expected")
    return 100.0 * result.total("received") / expected if expected else None


def _connect_ms(result: Result) -> float | None:
    return _value(result.costs.connect_ms_p50)


FIGURES: Mapping[str, Figure] = {
    "p50": Figure("ms", "median delivery latency", lambda result: result.percentiles.p50_ms),
    "p90": Figure("ms", "90th percentile of delivery latency", lambda result: result.percentiles.p90_ms),
    "p99": Figure("ms", "99th percentile of delivery latency", lambda result: result.percentiles.p99_ms),
    "p99.9": Figure("ms", "99.9th percentile of delivery latency", lambda result: result.percentiles.p999_ms),
    "max": Figure("ms", "greatest delivery latency", lambda result: result.percentiles.max_ms),
    "reach": Figure("%", "deliveries received of those promised", _reach_percent),
    "lost": Figure("", "deliveries lost", lambda result: float(result.total("lost"))),
    "refused": Figure("", "publications answered by an error", lambda result: float(result.total("refused"))),
    "unanswered": Figure("", "publications never answered", lambda result: float(result.total("unanswered"))),
    "duplicates": Figure("", "deliveries that came twice", lambda result: float(result.total("duplicates"))),
    "out_of_order": Figure("", "deliveries out of order", lambda result: float(result.total("out_of_order"))),
    "cpu": Figure("us", "server CPU per delivery", lambda result: _value(result.costs.server_cpu_us)),
    "bytes": Figure("B", "bytes received per delivery", lambda result: _value(result.costs.bytes_down)),
    "connect": Figure("ms", "median time to connect", _connect_ms),
    MEMORY: Figure("KiB", "memory per idle connection", lambda result: None),
}
