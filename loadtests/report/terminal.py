"""The end of a run in a terminal: three plain sentences, and the guide's table within 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

from loadtests.records import facts
from loadtests.report import answer, doubts, guide_table, places, theirs
from loadtests.report.condition import value_of
from loadtests.report.guide_table import MARKS, Row
from loadtests.report.quantity import digits, laid_out, printable, share
from loadtests.report.verdicts import choices
from loadtests.report.verdicts.catches import NO_BROWSER, browserless
from loadtests.report.verdicts.evidence import Evidence

WIDTH = 100
_HEADINGS = (
    "", "transport", "guide", "p50 [95 %] ms", "p99 ms", "bytes", "CPU us", "KiB/conn", "reach", "is",
)  # fmt: skip
_WITHOUT_INTERVALS = tuple(heading.replace(" [95 %]", "") for heading in _HEADINGS)
_WORDS = [_HEADINGS.index(heading) for heading in ("", "transport", "is")]
_LEAST_NAME = 9
_MARK = "*"


def sentences(evidence: Evidence) -> str:
    """Say what was measured, which transport is for what, and how far to believe it; ends without a newline."""
    said = (
        answer.lead(evidence),
        choices.summary(choices.choices(evidence)),
        theirs.sentence(evidence.study.run),
        doubts.trust(evidence),
    )
    return "\n".join(textwrap.fill(printable(sentence), WIDTH) for sentence in said if sentence)


def table(rows: Sequence[Row], foreign: Collection[str] = ()) -> str:
    """Lay the rows out, a heading above each load; below, what is in doubt and what to do. Ends without a newline.

    Rows of `foreign` transports stand below a line that says so.
    """
    return "\n".join([*_table(rows, foreign), *_doubts(rows)])


def _table(rows: Sequence[Row], foreign: Collection[str]) -> list[str]:
    cells = [_cells(row, interval=True) for row in rows]
    if (over := _width(cells) - WIDTH) > 0:
        longest = max(len(line[1]) for line in cells)
        cells = [(line[0], _cut(line[1], max(_LEAST_NAME, longest - over)), *line[2:]) for line in cells]
    headings: Sequence[str] = _HEADINGS
    if _width(cells) > WIDTH:
        headings = _WITHOUT_INTERVALS
        cells = [(*line[:3], *_cells(row, interval=False)[3:]) for line, row in zip(cells, rows, strict=True)]
    heading, *lines = laid_out([headings, *cells], _WORDS)
    found = dict(zip(map(id, rows), lines, strict=True))
    out = [heading]
    for words, group in guide_table.by_load(rows):
        ours = [found[id(row)] for row in group if row.result.condition.transport not in foreign]
        not_ours = [found[id(row)] for row in group if row.result.condition.transport in foreign]
        if ours and not_ours:
            not_ours = [f"   {theirs.THEIRS}", *not_ours]
        out += ["", textwrap.shorten(printable(words), WIDTH), *ours, *not_ours]
    return out


def _width(cells: Sequence[Sequence[str]]) -> int:
    return max(map(len, laid_out([_HEADINGS, *cells], _WORDS)))


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}\N{HORIZONTAL ELLIPSIS}"


def _cells(row: Row, *, interval: bool) -> tuple[str, ...]:
    result, costs = row.result, row.result.costs
    p50, p99 = result.p50, result.p99
    return (
        MARKS[result.validity],
        printable(result.condition.transport) + (_MARK if _unused(row) else ""),
        guide_table.claimed(row),
        guide_table.with_interval(p50) if interval else digits(p50.value_ms if p50 else None),
        digits(p99.value_ms if p99 else None),
        digits(value_of(costs.bytes_down)),
        digits(value_of(costs.server_cpu_us)),
        digits(row.kib_per_connection),
        share(result.total("received"), result.total("expected")),
        result.claim.short,
    )


def _unused(row: Row) -> bool:
    return browserless(facts.load(), row.result.condition.transport)


def _doubts(rows: Sequence[Row]) -> list[str]:
    found = doubts.doubts([cell for row in rows for cell in row.result.cells])
    said = [
        f"{doubt.words[:1].upper()}{doubt.words[1:]}{f': {doubt.advice}' if doubt.advice else ''}." for doubt in found
    ]
    said += [
        f"{row.result.condition.transport}, {places.load_words(row.result)}: {guide_table.happened(row.result)}"
        for row in rows
        if row.result.errors
    ]
    said = [f"{_MARK} {NO_BROWSER}"] * any(map(_unused, rows)) + said
    return ["", *(textwrap.fill(printable(words), WIDTH) for words in said)] if said else []
