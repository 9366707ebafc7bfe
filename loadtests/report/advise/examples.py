"""The ten cases as a table of docs/advise.md, and what a check measured of three of them.

python -m loadtests.report.advise.examples            # writes them into docs/advise.md, and the sources of prices
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from loadtests.records import advised, prices
from loadtests.records.advised import Checked, Compared
from loadtests.records.errors import RunError, UsageError
from loadtests.report.advise import cases, sources
from loadtests.report.advise.advice import Advice, Basis, advise, basis
from loadtests.report.advise.cases import Example
from loadtests.report.advise.figure import Figure
from loadtests.report.claims import title
from loadtests.report.marked import filled
from loadtests.report.quantity import UNKNOWN, digits, span
from loadtests.report.verdicts.evidence import REFERENCE

PAGE = REFERENCE.parents[1] / "docs" / "advise.md"
BEGIN = "<!-- by `python -m loadtests.report.advise.examples` -->"


def answered(example: Example, found: Basis) -> Advice:
    """Answer one of the cases; the age of its prices is no matter here."""
    case, price = example.asked
    return advise(case, prices.find(price), found, date.min)


def table(found: Basis) -> str:
    """Return the cases with their answers, and below why each is as it is."""
    heads = ("case", "asked", "first", "p50 ms", "p99 ms", "servers", "a million", "a month")
    rows = [_row(example, answered(example, found)) for example in cases.load()]
    shown = [heads, ["---"] * len(heads), *rows]
    why = [f"- **{example.name}**: {example.about}. {example.why}" for example in cases.load()]
    return "\n".join([*(f"| {' | '.join(row)} |" for row in shown), "", *why])


def _row(example: Example, advice: Advice) -> Sequence[str]:
    asked = f"`{example.words}{f' --within {example.within}' if example.within else ''}`"
    if not advice.ranked:
        return (example.name, asked, "none", *[UNKNOWN] * 5)
    best = advice.ranked[0].option
    bill = best.bill
    return (
        example.name,
        asked,
        title(best.transport),
        _shown(best.p50_ms),
        _shown(best.p99_ms),
        UNKNOWN if best.size is None else f"{best.size.machines:,}",
        UNKNOWN if bill is None else f"{bill.currency} {digits(bill.per_million)}",
        UNKNOWN if bill is None else f"{bill.currency} {digits(bill.total)}",
    )


def _shown(figure: Figure | None) -> str:
    return UNKNOWN if figure is None else f"{'>= ' if figure.at_least else ''}{digits(figure.value)}"


def check_table(checked: Checked | None) -> str:
    """Return what a check measured, beside what was advised."""
    if checked is None:
        return "No check is committed."
    heads = ("case", "transport", "figure", "advised", "measured [95 %]", "off by", "allowed", "run")
    shown = [heads, ["---"] * len(heads), *map(_compared, checked.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)


def _compared(row: Compared) -> Sequence[str]:
    verdict = f": {row.fault}" if row.fault else ""
    return (
        row.case,
        title(row.transport),
        row.figure,
        f"{digits(row.advised)} {row.unit}, {row.how}",
        f"{digits(row.measured)} [{span(row.low, row.high)}] {row.unit}",
        f"{row.off:+.0%}{verdict}",
        f"{row.tolerance:.0%}",
        f"`{row.run_id}`",
    )


def block(found: Basis, checked: Checked | None) -> str:
    """Return what stands between the marks of docs/advise.md."""
    return f"{table(found)}\n\n### Three of them, measured\n\n{check_table(checked)}"


def written(text: str, made: str) -> str:
    """Return the page with the block in its place. Raises RunError where it has none."""
    return filled(PAGE.name, text, BEGIN, made)


def main(page: Path = PAGE, folder: Path = REFERENCE) -> int:
    """Write the block into the page; 1 with a sentence on stderr where that cannot be."""
    try:
        made = block(basis(folder), advised.read(folder))
        page.write_text(written(page.read_text(encoding="utf-8"), made), encoding="utf-8")
        sources.PAGE.write_text(sources.written(sources.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    except (RunError, UsageError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"written: {page.name}, {sources.PAGE.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
