"""Which transport is the cheapest that meets a latency budget, over round trip and message rate. Pure.

From cells of the kind `sweep`. Cheapest: least server CPU per delivery. Within the budget: the 90th percentile of
delivery latency is at most the budget. A transport whose cell is invalid, or whose percentile cannot be stated, takes
no part at that point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.records.schema import Validity
from loadtests.report import model
from loadtests.report.claims import in_prose
from loadtests.report.condition import Result
from loadtests.report.quantity import count, greatest, listed
from loadtests.report.study import Study

KIND = "sweep"
PERCENT = 90.0
BUDGETS_MS = (30.0, 100.0, 300.0, 1200.0)
AS_CHEAP_SHARE = 0.1
"""Less difference of CPU than this is no difference: single cells vary by as much."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One transport at one point of the sweep."""

    transport: str
    rtt_ms: float
    rate_per_s: float
    p90_ms: float
    cpu_us: float  # of the server, per delivery


@dataclass(frozen=True, slots=True)
class Point:
    """The outcome at one round trip and rate: the cheapest in time (None: none is), and those that are as cheap."""

    rtt_ms: float
    rate_per_s: float
    budget_ms: float
    best: Candidate | None
    as_cheap: tuple[str, ...]  # other transports within `AS_CHEAP_SHARE` of the best one's CPU


def candidates(study: Study) -> tuple[Candidate, ...]:
    """Return every usable condition of the sweep."""
    found = (_candidate(result) for result in study.of_kind(KIND))
    return tuple(candidate for candidate in found if candidate is not None)


def points(found: Sequence[Candidate], budget_ms: float) -> tuple[Point, ...]:
    """Return the outcome at each point where anything was measured, by round trip, then by rate."""
    places = sorted({(candidate.rtt_ms, candidate.rate_per_s) for candidate in found})
    return tuple(_point([c for c in found if (c.rtt_ms, c.rate_per_s) == place], budget_ms) for place in places)


def sentence(study: Study) -> str:
    """Say, per budget, which transport is cheapest at how many points; nothing of a run without a sweep."""
    found = candidates(study)
    return " ".join(_budget_sentence(points(found, budget_ms), budget_ms) for budget_ms in BUDGETS_MS if found)


def _candidate(result: Result) -> Candidate | None:
    one_way_ms = model.link_one_way_ms(result.condition.link)
    p90_ms, cpu = result.percentiles.p90_ms, result.costs.server_cpu_us
    if result.validity is Validity.INVALID or one_way_ms is None or p90_ms is None or cpu is None:
        return None
    return Candidate(result.condition.transport, 2 * one_way_ms, result.condition.rate_per_s, p90_ms, cpu.value)


def _point(here: Sequence[Candidate], budget_ms: float) -> Point:
    in_time = sorted((c for c in here if greatest(c.p90_ms) <= budget_ms), key=lambda c: (c.cpu_us, c.transport))
    best = in_time[0] if in_time else None
    near = [c.transport for c in in_time[1:] if best and c.cpu_us <= best.cpu_us * (1 + AS_CHEAP_SHARE)]
    return Point(here[0].rtt_ms, here[0].rate_per_s, budget_ms, best, tuple(near))


def _budget_sentence(found: Sequence[Point], budget_ms: float) -> str:
    won = Counter(point.best.transport for point in found if point.best)
    if not won:
        return f"Within {budget_ms:g} ms at p90 nobody is in time anywhere."
    parts = [f"{in_prose(transport)} at {number}" for transport, number in won.most_common()]
    nobody = len(found) - won.total()
    rest = f", nobody is in time at {nobody}" if nobody else ""
    return f"Within {budget_ms:g} ms at p90, of {count(len(found), 'point')} the cheapest is {listed(parts)}{rest}."
