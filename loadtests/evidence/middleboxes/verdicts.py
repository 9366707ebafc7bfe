"""From what was seen of a transport behind a box to a verdict, by fixed rules. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.records.middleboxes import Seen
from loadtests.report.quantity import digits

LATE_MS = 50.0
"""An event that comes so much later than directly is late: beyond what a busy machine adds, below what boxes hold."""

NOTHING_CAME = "nothing came"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, its words, and the problems that a cure is looked for (`run.boxes.PROBLEMS`)."""

    verdict: str
    words: str
    problems: frozenset[str] = frozenset()


def judge(seen: Seen, grid_ms: float = 0.0) -> Judgement:
    """Judge one row. What is worse says the verdict; every problem is named.

    `grid_ms`: a short poll may ask so much later than another, by chance.
    """
    found = [(problem, verdict, words) for problem, verdict, words, there in _rules(seen, LATE_MS + grid_ms) if there]
    if not found:
        return Judgement("passes", "passes")
    words = "; ".join(words for _, _, words in found)
    return Judgement(found[0][1], words, frozenset(problem for problem, _, _ in found))


def _rules(seen: Seen, late_ms: float) -> tuple[tuple[str, str, str, bool], ...]:
    """Problem, verdict, words, and whether it is there; the worst first."""
    held = seen.joined and seen.missing > 0
    late = seen.apart_ms is not None and seen.apart_ms > late_ms
    silent = seen.refusal == NOTHING_CAME
    return (
        ("refused", "refused", f"refused: {seen.refusal}", not seen.joined and not silent),
        ("held", "held", "held: nothing came", not seen.joined and silent),
        ("held", "held", f"held: {seen.missing} events did not come", held),
        ("cut", "cut", f"cut at {digits(seen.cut_s)} s", seen.cut_s is not None),
        ("late", "late", f"late by {digits(seen.apart_ms)} ms", late),
        ("origin", "refused", f"refused to pages: {seen.origin}", seen.origin not in ("", "accepted")),
    )
