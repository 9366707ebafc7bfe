"""One run against another: whether they may be compared, and how p50 and p99 differ, condition by condition.

Two runs may be compared where their protected fields agree, and loads that bear the same name are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.records.errors import RunError
from loadtests.records.schema import Cell, Run, Validity
from loadtests.report import bootstrap
from loadtests.report.bootstrap import Difference
from loadtests.report.condition import Condition, Result
from loadtests.report.quantity import UNKNOWN, digits, laid_out, printable, span
from loadtests.report.study import Study, study

_ABSENT = "nothing"

# Of cells of one name; how long they were measured moves the intervals and not what is measured.
_LOAD_FIELDS = (
    "kind", "subscribers", "publishers", "rooms", "rate_per_s", "payload_bytes", "arrivals", "direction", "link",
    "variant", "poll_interval_s", "poll_wait_s",
)  # fmt: skip


def require_comparable(a: Run, b: Run, despite: Set[str] = frozenset()) -> tuple[str, ...]:
    """Return in words the differences that `despite` accepts; RunError names each other field in which they differ.

    RunError too for a name in `despite` that is no protected field of either run.
    """
    protected = dict.fromkeys((*a.protected, *b.protected))
    if unknown := sorted(despite - set(protected)):
        raise RunError(f"--despite {', '.join(unknown)}: allowed are the protected fields: {', '.join(protected)}")
    differing = {field: words for field in protected if (words := _differing(field, a, b))}
    refused = [words for field, words in differing.items() if field not in despite]
    refused += _different_loads(a, b)
    if refused:
        raise RunError(f"{a.run_id} and {b.run_id} can't be compared: {'; '.join(refused)}")
    return tuple(differing.values())


def _differing(field: str, a: Run, b: Run) -> str:
    left, right = _protected_value(a, field), _protected_value(b, field)
    return "" if left == right else f"{field} is {left} in A and {right} in B"


def _protected_value(run: Run, field: str) -> object:
    section, _, key = field.partition(".")
    return run.manifest.get(section, {}).get(key, _ABSENT)


def _different_loads(a: Run, b: Run) -> Iterator[str]:
    ours, theirs = _by_name(a), _by_name(b)
    for name in ours.keys() & theirs.keys():
        for field in _LOAD_FIELDS:
            left, right = getattr(ours[name], field), getattr(theirs[name], field)
            # None: written before there was the field; the setting of the run, which is protected, stands for it.
            if left != right and None not in (left, right):
                yield f"{field} of {' '.join(name)} is {left} in A and {right} in B"


def _by_name(run: Run) -> Mapping[tuple[str, str], Cell]:
    return {(cell.transport, cell.load): cell for cell in run.cells}


PERCENTS = (50.0, 99.0)
_HEADINGS = ("transport", "load", "", "A ms", "B ms", "B - A ms [95 %]", "in words", "would have shown")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One percentile of one condition in both runs; `difference` is B minus A, None where it can't be stated."""

    condition: Condition
    percent: float
    a_ms: float | None
    b_ms: float | None
    difference: Difference | None
    reason: str  # why there is no difference; empty where there is one

    @property
    def words(self) -> str:
        """What the difference says."""
        if self.difference is None:
            return self.reason
        if not self.difference.known:
            return "not known: a percentile is only known from below"
        if self.difference.indistinguishable:
            return "indistinguishable"
        return f"B is {self.difference.direction} by {digits(self.difference.size_ms)} ms"


def between(a: Path, b: Path) -> tuple[Comparison, ...]:
    """Work both runs out and compare every condition that either has. Raises `RunError`."""
    return of(study(a), study(b))


def of(a: Study, b: Study) -> tuple[Comparison, ...]:
    """Compare two runs that were worked out, in the order of A's table; what B alone has comes last."""
    ours = {result.condition: result for result in a.results}
    theirs = {result.condition: result for result in b.results}
    return tuple(
        _compared(condition, ours.get(condition), theirs.get(condition), percent)
        for condition in dict.fromkeys((*ours, *theirs))
        for percent in PERCENTS
    )


def _compared(condition: Condition, a: Result | None, b: Result | None, percent: float) -> Comparison:
    a_ms, b_ms = _value(a, percent), _value(b, percent)
    difference, reason = None, "too few deliveries"
    if a is None or b is None:
        reason = f"only in {'A' if b is None else 'B'}"
    elif invalid := [name for name, result in (("A", a), ("B", b)) if result.validity is Validity.INVALID]:
        reason = f"invalid in {' and '.join(invalid)}"
    elif a_ms is not None and b_ms is not None and a.blocks is not None and b.blocks is not None:
        # Run blocks pair within a run, where they share arrivals and the minute; never across runs.
        apart = replace(b.blocks, run_block=b.blocks.run_block + a.blocks.run_block.max() + 1)
        difference, reason = bootstrap.difference(apart, a.blocks, percent), ""
    return Comparison(condition, percent, a_ms, b_ms, difference, reason)


def _value(result: Result | None, percent: float) -> float | None:
    if result is None:
        return None
    return result.percentiles.p50_ms if percent == 50.0 else result.percentiles.p99_ms


def render_text(compared: Sequence[Comparison]) -> str:
    """Lay the comparisons out for a terminal; ends without a newline."""
    return "\n".join(laid_out([_HEADINGS, *map(_line, compared)], range(len(_HEADINGS))))


def _line(found: Comparison) -> tuple[str, ...]:
    difference = found.difference
    shown = (
        UNKNOWN
        if difference is None
        else f"{digits(difference.value_ms)} [{span(difference.low_ms, difference.high_ms)}]"
    )
    return (
        printable(found.condition.transport),
        printable(found.condition.over_link),
        f"p{found.percent:g}",
        digits(found.a_ms),
        digits(found.b_ms),
        shown,
        found.words,
        UNKNOWN if difference is None else f"{digits(difference.smallest_detectable_ms)} ms",
    )
