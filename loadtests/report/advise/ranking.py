"""Which transports fit a case, and in which order. By stated rules; other figures, another order.

Left out: what the clients do not support, what the proxy blocks and no known setting helps, what was not measured, and
what is late. Late: a p99 beyond `--within`, or one of which only a lower bound is known; without `--within` a p50 more
than one frame of a screen above the fastest. Then the cheapest is first. Those that cost at most a tenth more than it
are alike: of them, where subscribers publish, those that send on the connection they receive on go first; then what is
known better; then the cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtests.report.advise.case import BOTH, Case
from loadtests.report.advise.figure import FROM_THE_BEST, Figure
from loadtests.report.advise.option import Option
from loadtests.report.frontier import AS_CHEAP_SHARE
from loadtests.report.quantity import digits
from loadtests.report.verdicts.evidence import UNSEEN_MS


@dataclass(frozen=True, slots=True)
class Ranked:
    """One that fits, and the reason for its place."""

    option: Option
    because: str


def ranked(case: Case, options: Sequence[Option]) -> tuple[tuple[Ranked, ...], tuple[Option, ...]]:
    """Return those that fit, the best first, and the others with the reason."""
    judged = [replace(o, out=o.out or _missing(o)) for o in options]
    in_time = [o for o in judged if not o.out]
    fastest = min((o.p50_ms.value for o in in_time if o.p50_ms), default=0.0)
    judged = [replace(o, out=o.out or _late(case, o, fastest)) for o in judged]
    fitting = [o for o in judged if not o.out]
    return _ordered(case, fitting), tuple(o for o in judged if o.out)


def _missing(option: Option) -> str:
    if option.bill is None or option.p50_ms is None:
        return "its bytes or its latency were not measured"
    return ""


def _late(case: Case, option: Option, fastest_ms: float) -> str:
    p50, p99 = option.p50_ms, option.p99_ms
    if case.within_ms is None:
        late = p50 is not None and p50.value > fastest_ms + UNSEEN_MS
        return f"half of its messages come {digits(_more(p50, fastest_ms))} ms after the fastest's" if late else ""
    if p99 is None:
        return "its p99 is not known"
    least = ">= " if p99.at_least else ""
    if p99.value > case.within_ms:
        return f"p99 {least}{digits(p99.value)} ms is too late"
    return f"only a lower bound of its p99 is known: {least}{digits(p99.value)} ms" if p99.at_least else ""


def _more(p50: Figure | None, fastest_ms: float) -> float:
    return p50.value - fastest_ms if p50 else 0.0


def _ordered(case: Case, fitting: Sequence[Option]) -> tuple[Ranked, ...]:
    by_cost = sorted(fitting, key=_total)
    limit = _total(by_cost[0]) * (1 + AS_CHEAP_SHARE) if by_cost else 0.0
    alike = [o for o in by_cost if _total(o) <= limit]
    alike.sort(key=lambda o: (case.direction == BOTH and not o.two_way, _known(o), _total(o)))
    return tuple(Ranked(o, _because(case, o, by_cost[0], alike)) for o in (*alike, *by_cost[len(alike) :]))


def _because(case: Case, option: Option, cheapest: Option, alike: Sequence[Option]) -> str:
    if option not in alike:
        if not _total(cheapest):
            return "the cheapest costs nothing"
        return f"costs {digits(_total(option) / _total(cheapest), 2)} times the cheapest"
    if option is not alike[0]:
        return "within a tenth of the cheapest"
    if option is cheapest:
        return "the cheapest that is in time"
    if case.direction == BOTH and option.two_way and not cheapest.two_way:
        return "within a tenth of the cheapest, and it sends on the connection it receives on"
    return "within a tenth of the cheapest, and better known"


def _total(option: Option) -> float:
    return option.bill.total if option.bill else 0.0


def _known(option: Option) -> int:
    return FROM_THE_BEST.index(option.bill.how) if option.bill else len(FROM_THE_BEST)
