"""How far a run can be believed, in plain words: one line of counts, and one reason per kind of doubt with what to do.

The rules that speak against a cell are the run's (`loadtests.run.validity`); here their sentences are put together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtests.records import repeats
from loadtests.records.schema import Cell, Run, Validity
from loadtests.report.quantity import count, digits, listed
from loadtests.report.verdicts import choices, guide
from loadtests.report.verdicts.evidence import Evidence

_DISTURBED = "slightly disturbed by other programs"
_HELD_UP = "slightly held up"  # by what is not known: other programs, the host, or the generator itself
_ALONE = "close other programs, or use a machine with more cores, and run again"
_SERVER_LOG = "look at server-<cell>.log in the run's folder"
_FIGURE = r"([\d.]+(?:e[+-]?\d+)?)"


@dataclass(frozen=True, slots=True)
class _Kind:
    pattern: str  # of a rule's sentence; its first group is the figure
    words: str  # `{most}` stands for the largest figure
    advice: str
    cause: str = ""  # what made the cell doubtful, where the trust line can say it in few words


_KINDS = (
    _Kind(
        rf"CPU used by other programs is {_FIGURE}",
        "other programs used up to {most} % of a core",
        "close them and run again",
        _DISTURBED,
    ),
    _Kind(
        rf"from kernel receive to read is {_FIGURE}",
        "the load generator read a hundredth of the messages up to {most} ms after they had come",
        _ALONE,
        _HELD_UP,
    ),
    _Kind(
        rf"read together with another of their socket is {_FIGURE}",
        "up to {most} % of the messages were read together with another one",
        _ALONE,
        _HELD_UP,
    ),
    _Kind(
        rf"publisher lateness p99 is {_FIGURE}",
        "a hundredth of the messages was published up to {most} ms late",
        _ALONE,
        _HELD_UP,
    ),
    _Kind(
        rf"generator hub lag p99 is {_FIGURE}",
        "the load generator was held up for up to {most} ms",
        _ALONE,
        _HELD_UP,
    ),
    _Kind(
        rf"generator CPU is {_FIGURE}",
        "the load generator itself used up to {most} % of a core",
        "measure fewer receivers or a lower rate",
    ),
    _Kind(
        r"no kernel receive stamps",
        "this machine gives no kernel receive stamps, so latencies hold Python's own wake-up",
        "measure on Linux",
        "measured without kernel stamps",
    ),
    _Kind(
        rf"link's median round trip is {_FIGURE}",
        "the emulated link took up to {most} ms there and back, which is not what was asked",
        _ALONE,
    ),
    _Kind(rf"{_FIGURE} of \d+ probes were lost", "up to {most} probes were lost on the link", _ALONE),
    _Kind(
        rf"{_FIGURE} of \d+ deliveries are missing",
        "up to {most} messages of one measurement never came",
        _SERVER_LOG,
    ),
    _Kind(rf"{_FIGURE} deliveries came twice", "up to {most} messages came twice", _SERVER_LOG),
    _Kind(rf"{_FIGURE} deliveries came out of order", "up to {most} messages came out of order", _SERVER_LOG),
    _Kind(
        rf"{_FIGURE} of \d+ publications were refused",
        "the server refused up to {most} publications",
        "raise its limits (RTLAB_RATE) or publish less",
    ),
    _Kind(
        rf"{_FIGURE} of \d+ publications were never answered",
        "up to {most} publications were never answered",
        _SERVER_LOG,
    ),
    _Kind(
        rf"only {_FIGURE} of \d+ subscribers connected",
        "not all receivers connected",
        f"{_SERVER_LOG}, and raise ulimit -n",
    ),
    _Kind(r"nothing was received", "nothing was received", _SERVER_LOG),
    _Kind(
        r"a clock was wrong|wall clock.* was stepped",
        "a clock was set while it was measured",
        "stop what sets the clock, and run again",
    ),
    _Kind(
        rf"{_FIGURE} deliveries have no latency",
        "up to {most} messages were published by another clock",
        "keep publishers and receivers on one host",
    ),
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """One kind of doubt: what happened at its worst, what to do about it, and the cells it speaks against."""

    words: str
    advice: str
    cells: tuple[str, ...]


def doubts(cells: Sequence[Cell]) -> tuple[Doubt, ...]:
    """Return the kinds of doubt, the one that most cells have first; an unknown reason is a kind of its own.

    What was measured again, and well, is in no doubt.
    """
    outcomes = repeats.outcomes(cells)
    found: dict[_Kind, list[tuple[str, float | None]]] = {}
    for cell in cells:
        if outcomes.get(repeats.original(cell.id)) is Validity.VALID:
            continue
        for reason in cell.verdict.reasons:
            kind, figure = _kind(reason)
            found.setdefault(kind, []).append((cell.id, figure))
    grouped = [_doubt(kind, against) for kind, against in found.items()]
    return tuple(sorted(grouped, key=lambda doubt: -len(doubt.cells)))


def _kind(reason: str) -> tuple[_Kind, float | None]:
    for kind in _KINDS:
        if match := re.search(kind.pattern, reason):
            return kind, float(match[1]) if match.groups() else None
    return _Kind(reason, reason.replace("{", "{{").replace("}", "}}"), ""), None


def _doubt(kind: _Kind, against: Sequence[tuple[str, float | None]]) -> Doubt:
    most = max((figure for _, figure in against if figure is not None), default=None)
    cells = tuple(dict.fromkeys(cell for cell, _ in against))
    return Doubt(kind.words.format(most=digits(most)), kind.advice, cells)


def trust(evidence: Evidence) -> str:
    """Say how many measurements are good, what happened to the others, and whether any verdict depends on them."""
    run = evidence.study.run
    found = list(repeats.outcomes(run.cells).values())
    if not found:
        return "Nothing was measured."
    valid, doubtful, invalid = (found.count(v) for v in (Validity.VALID, Validity.DOUBTFUL, Validity.INVALID))
    parts = [f"{valid} good" if valid else ""]
    parts += [f"{doubtful} {_cause(run)}" if doubtful else "", f"{invalid} not usable and not used" if invalid else ""]
    said = f"{count(len(found), 'measurement')}: {listed([part for part in parts if part])}"
    if not doubtful:
        return f"{said}."
    depending = dependent(evidence)
    which = "that one" if doubtful == 1 else "those"
    if not depending:
        return f"{said}; no verdict depends on {which}."
    few = len(depending) <= _NAMED
    named = listed([f"“{name}”" for name in depending]) if few else count(len(depending), "verdict")
    return f"{said}; {which} decide{'s' if doubtful == 1 else ''} {named}."


_NAMED = 3


def _cause(run: Run) -> str:
    doubtful = [cell for cell in run.cells if cell.verdict.validity is Validity.DOUBTFUL]
    causes = {_kind(reason)[0].cause for cell in doubtful for reason in cell.verdict.reasons}
    return causes.pop() if len(causes) == 1 and "" not in causes else "doubtful"


def dependent(evidence: Evidence) -> tuple[str, ...]:
    """Return the sentences and cases whose answer is another one where only valid conditions count."""
    valid = tuple(r for r in evidence.study.results if r.validity is Validity.VALID)
    strict = replace(evidence, study=replace(evidence.study, results=valid))
    rulings = zip(guide.judged(evidence), guide.judged(strict), strict=True)
    answers = zip(choices.choices(evidence), choices.choices(strict), strict=True)
    return (
        *(a.claim.sentence for a, b in rulings if a.finding.ruling is not b.finding.ruling),
        *(a.case for a, b in answers if a.transport != b.transport),
    )
