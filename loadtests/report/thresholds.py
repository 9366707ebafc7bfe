"""Thresholds that a run must not break: `websocket.p99>20ms`, `sse@200x10.reach<100%`, `*.lost>0`.

A threshold says what must *not* be. Grammar: TRANSPORT or `*`, `@LOAD` where only one load is meant, a dot, a figure of
`FIGURES`, one of `> >= < <=`, a number, the figure's unit. Reading needs no data and no heavy import; a figure that
cannot be stated breaks its threshold, since nothing says that it was kept; one of which only a lower bound is known
breaks every upper threshold.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.records.schema import Validity
from loadtests.report.quantity import AtLeast

if TYPE_CHECKING:
    from loadtests.records.cell_spec import Slo
    from loadtests.report.condition import Result
    from loadtests.report.study import Study


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


def _cost(name: str) -> Callable[[Result], float | None]:
    # No import of pandas, which `value_of` would cost.
    return lambda result: getattr(getattr(result.costs, name), "value", None)


def _total(name: str) -> Callable[[Result], float | None]:
    return lambda result: float(result.total(name))


FIGURES: Mapping[str, Figure] = {
    "p50": Figure("ms", "median delivery latency", lambda result: result.percentiles.p50_ms),
    "p90": Figure("ms", "90th percentile of delivery latency", lambda result: result.percentiles.p90_ms),
    "p99": Figure("ms", "99th percentile of delivery latency", lambda result: result.percentiles.p99_ms),
    "p99.9": Figure("ms", "99.9th percentile of delivery latency", lambda result: result.percentiles.p999_ms),
    "max": Figure("ms", "greatest delivery latency", lambda result: result.percentiles.max_ms),
    "reach": Figure("%", "deliveries received of those promised", lambda result: result.reach_percent),
    "lost": Figure("", "deliveries lost", _total("lost")),
    "refused": Figure("", "publications answered by an error", _total("refused")),
    "unanswered": Figure("", "publications never answered", _total("unanswered")),
    "duplicates": Figure("", "deliveries that came twice", _total("duplicates")),
    "out_of_order": Figure("", "deliveries out of order", _total("out_of_order")),
    "cpu": Figure("us", "server CPU per delivery", _cost("server_cpu_us")),
    "bytes": Figure("B", "bytes received per delivery", _cost("bytes_down")),
    "wire": Figure("B", "bytes received on the wire per delivery", _cost("ip_bytes_down")),
    "connect": Figure("ms", "median time to connect", _cost("connect_ms_p50")),
    MEMORY: Figure("KiB", "memory per idle connection", lambda result: None),
}


ANY = "*"

_COMPARISONS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    ">": (operator.gt, "more than"),
    ">=": (operator.ge, "not less than"),
    "<": (operator.lt, "less than"),
    "<=": (operator.le, "not more than"),
}
_SHAPE = re.compile(
    r"(?P<transport>\*|[A-Za-z0-9_-]+)(?:@(?P<load>[A-Za-z0-9_.-]+?))?\."
    rf"(?P<figure>{'|'.join(sorted(map(re.escape, FIGURES), key=len, reverse=True))}|[a-z_][a-z_0-9.]*)"
    r"\s*(?P<comparison>>=|<=|>|<)\s*(?P<limit>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-z%µ]*)"
)
_EXAMPLE = "write it like websocket.p99>20ms or sse@200x10.reach<100%"


class ThresholdError(ValueError):
    """A threshold that can't be read or can't be judged by the run; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition that must not come true."""

    text: str
    transport: str  # or ANY
    load: str | None  # None: every load of the table
    figure: str  # key of FIGURES
    comparison: str  # key of _COMPARISONS
    limit: float  # in the figure's own unit

    def breaks(self, value: float) -> bool:
        """Whether the figure is, or may be, where it must not be: a lower bound breaks every upper threshold."""
        if isinstance(value, AtLeast) and self.comparison.startswith(">"):
            return True
        return _COMPARISONS[self.comparison][0](value, self.limit)


@dataclass(frozen=True, slots=True)
class ThresholdResult:
    """What became of one threshold in one condition."""

    threshold: Threshold
    broken: bool
    words: str


def parse(text: str) -> Threshold:
    """Read one threshold; ThresholdError with what is allowed."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise ThresholdError(f"the threshold {text!r} can't be read; {_EXAMPLE}")
    name, unit = found["figure"], found["unit"].replace("µ", "u")
    if name not in FIGURES:
        raise ThresholdError(f"the threshold {text!r} has no figure {name!r}; there are: {', '.join(FIGURES)}")
    units = UNITS[FIGURES[name].unit]
    if unit not in units:
        allowed = ", ".join(filter(None, units)) or "none: it is a count"
        raise ThresholdError(f"the threshold {text!r} has the unit {unit!r}; for {name} allowed: {allowed}")
    limit = float(found["limit"]) * units[unit]
    return Threshold(text.strip(), found["transport"], found["load"], name, found["comparison"], limit)


def of_slo(slo: Slo) -> tuple[Threshold, ...]:
    """Return the thresholds that an objective comes to, for every transport."""
    return parse(f"{ANY}.p99>{slo.p99_ms:f}ms"), parse(f"{ANY}.reach<{slo.reach_percent:f}%")


def require_known(thresholds: Sequence[Threshold], transports: Collection[str], loads: Collection[str]) -> None:
    """Raise ThresholdError for a threshold on a transport or a load that will not be measured."""
    for threshold in thresholds:
        if threshold.transport != ANY and threshold.transport not in transports:
            raise ThresholdError(
                f"the threshold {threshold.text!r} names {threshold.transport!r}; measured are: {', '.join(transports)}"
            )
        if threshold.load is not None and threshold.load not in loads:
            raise ThresholdError(
                f"the threshold {threshold.text!r} names the load {threshold.load!r}; there are: {', '.join(loads)}"
            )


def judge(study: Study, thresholds: Sequence[Threshold]) -> tuple[ThresholdResult, ...]:
    """Judge every threshold in every condition it is about."""
    return tuple(outcome for threshold in thresholds for outcome in _judged(study, threshold))


def _judged(study: Study, threshold: Threshold) -> Iterator[ThresholdResult]:
    if threshold.figure == MEMORY:
        yield from _judged_memory(study, threshold)
        return
    results = [result for result in _meant(study, threshold) if _names(threshold, result.condition.transport)]
    if not results:
        yield ThresholdResult(threshold, True, "nothing was measured that it could be judged by")
    for result in results:
        where = f"{result.condition.transport} {result.condition.load}"
        if result.validity is Validity.INVALID:
            yield ThresholdResult(threshold, True, f"{where} is invalid, so nothing says that it was kept")
        else:
            yield _compared(threshold, where, FIGURES[threshold.figure].of(result))


def _judged_memory(study: Study, threshold: Threshold) -> Iterator[ThresholdResult]:
    found = {name: cost.value for name, cost in study.memory.items() if _names(threshold, name)}
    if not found:
        yield ThresholdResult(threshold, True, "no memory cell was measured that it could be judged by")
    for transport, kib in found.items():
        yield _compared(threshold, transport, kib)


def _meant(study: Study, threshold: Threshold) -> Sequence[Result]:
    if threshold.load is None:
        return study.tabled
    return [result for result in study.results if result.condition.load == threshold.load]


def _names(threshold: Threshold, transport: str) -> bool:
    return threshold.transport in (ANY, transport)


def _compared(threshold: Threshold, where: str, value: float | None) -> ThresholdResult:
    unit = FIGURES[threshold.figure].unit
    if value is None:
        return ThresholdResult(threshold, True, f"{where} has too little data for {threshold.figure}")
    broken = threshold.breaks(value)
    words = _COMPARISONS[threshold.comparison][1]
    relation = f"{words} {threshold.limit:g} {unit}" if broken else f"not {words} {threshold.limit:g} {unit}"
    if broken and not threshold.breaks(float(value)):
        relation = f"so it may be {relation}"
    shown = f"{'>= ' if isinstance(value, AtLeast) else ''}{value:.4g} {unit}"
    return ThresholdResult(threshold, broken, f"{where}: {threshold.figure} is {shown}, {relation}".rstrip())
