"""Near and far: which conditions of a run are shown first, and how people call a load.

Near: the heaviest load on this machine itself. Far: the line whose round trip is nearest to 50 ms, without loss.
"""

from __future__ import annotations

from collections.abc import Iterable

from loadtests.records.schema import Validity
from loadtests.report import model
from loadtests.report.condition import Result
from loadtests.report.quantity import count
from loadtests.report.study import TABLE_KINDS, Study

_FAR_ONE_WAY_MS = 25.0


def near(study: Study) -> tuple[Result, ...]:
    """Return the conditions of the heaviest load on this machine itself."""
    return _of_one_load(r for r in _shown(study) if model.link_one_way_ms(r.condition.link) == 0)


def far(study: Study) -> tuple[Result, ...]:
    """Return the conditions over the line nearest to 50 ms there and back; none where no line was measured."""
    lines = [r for r in _shown(study) if model.link_one_way_ms(r.condition.link) and "loss=" not in r.condition.link]
    nearest = min((_off_ms(r) for r in lines), default=0.0)
    return _of_one_load(r for r in lines if _off_ms(r) == nearest)


def far_rtt_ms(study: Study) -> float | None:
    """Return the round trip of the line that `far` is measured over; None without one."""
    there = far(study)
    one_way_ms = model.link_one_way_ms(there[0].condition.link) if there else None
    return None if one_way_ms is None else 2 * one_way_ms


def _off_ms(result: Result) -> float:
    return abs((model.link_one_way_ms(result.condition.link) or 0.0) - _FAR_ONE_WAY_MS)


def _shown(study: Study) -> Iterable[Result]:
    return (r for r in study.of_kind(*TABLE_KINDS) if r.p50 and r.validity is not Validity.INVALID)


def _of_one_load(results: Iterable[Result]) -> tuple[Result, ...]:
    found = list(results)
    if not found:
        return ()
    top = max(found, key=lambda r: r.condition.subscribers * r.condition.rate_per_s).condition
    return tuple(r for r in found if (r.condition.load, r.condition.link) == (top.load, top.link))


def load_words(result: Result) -> str:
    """Return a load as people say it: `50 receivers, 10 messages/s`, and the line it goes over."""
    condition, rooms = result.condition, result.cells[0].rooms if result.cells else 1
    receivers = count(condition.subscribers, "receiver") + (f" in {rooms:,} rooms" if rooms > 1 else "")
    words = f"{receivers}, {condition.rate_per_s:g} messages/s" + (" in each" if rooms > 1 else "")
    one_way_ms = model.link_one_way_ms(condition.link)
    return words if one_way_ms == 0 else f"{words}, link {condition.link}"
