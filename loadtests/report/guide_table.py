"""The guide's table, measured: one row per transport and load, for the terminal and for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.records import notes
from loadtests.records.schema import Validity
from loadtests.report import priced
from loadtests.report.bootstrap import Estimate
from loadtests.report.condition import Result, value_of
from loadtests.report.places import load_words
from loadtests.report.quantity import UNKNOWN, digits, laid_out, printable, share, span
from loadtests.report.study import Study

MARKS = {Validity.VALID: "●", Validity.DOUBTFUL: "◐", Validity.INVALID: "○"}
"""Full, half, hollow: how far a row can be believed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One condition's figures with what the guide and the transport's memory cells add to them; None: not stated."""

    result: Result
    claimed_ms: float | None
    kib_per_connection: float | None

    @property
    def per_million(self) -> float | None:
        """What a million of its deliveries cost, see `priced.caption`."""
        return priced.per_million(self.result.costs)

    @property
    def left_out(self) -> int:
        """How many of its cells are not used: invalid, or doubtful and measured again."""
        return len(self.result.cells) - len(self.result.used)


SHOWN_ERRORS = 3

HEADINGS = (
    "", "transport", "load", "claimed", "p50 [95 %] ms", "p99 [95 %] ms", "payload B", "wire B", "CPU us", "KiB/conn",
    f"{priced.default().currency}/million", "reach", "is",
)  # fmt: skip
_WORDS = [HEADINGS.index(heading) for heading in ("", "transport", "load", "is")]


def of(worked_out: Study) -> tuple[Row, ...]:
    """Return the rows of a study: its cells of the kinds `latency` and `link`, else whatever was measured."""
    return tuple(
        Row(
            result,
            worked_out.guide.get(result.condition.transport),
            value_of(worked_out.memory.get(result.condition.transport)),
        )
        for result in worked_out.tabled
    )


def by_load(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Group rows by load, each group under what people call the load."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((load_words(row.result), row.result.condition.load), []).append(row)
    loads = Counter(heading for heading, _ in groups)
    # Loads may differ in what the heading leaves out: then their names distinguish them.
    return [
        (heading if loads[heading] == 1 else f"{heading} ({load})", found) for (heading, load), found in groups.items()
    ]


def with_interval(estimate: Estimate | None) -> str:
    """Return `1.23 [1.20 to 1.31]`, a dash where the percentile cannot be stated."""
    if estimate is None:
        return UNKNOWN
    return f"{digits(estimate.value_ms)} [{span(estimate.low_ms, estimate.high_ms)}]"


def claimed(row: Row) -> str:
    """Return the guide's figure as the guide writes it, `~100 ms`."""
    return UNKNOWN if row.claimed_ms is None else f"~{row.claimed_ms:g} ms"


def render_text(table: Sequence[Row]) -> str:
    """Lay the rows out for a terminal, one blank line between loads; ends without a newline.

    Reasons against rows that are not valid, and what happened to their connections, follow below the table.
    """
    heading, *lines = laid_out([HEADINGS, *map(_cells, table)], _WORDS)
    out = [heading]
    for before, row, line in zip((None, *table), table, lines, strict=False):
        if before and _place(before) != _place(row):
            out.append("")
        out.append(line)
    notes = [_note(row) for row in table if row.result.reasons or row.result.errors]
    return "\n".join([*out, *(["", *notes] if notes else [])])


def render_memory(worked_out: Study) -> str:
    """Lay out what idle connections cost, for runs that measured nothing else; ends without a newline."""
    lines = [("", "transport", "KiB/conn", "lowest", "highest", "cells")]
    for transport, memory in worked_out.memory.items():
        figures = (digits(memory.value), digits(memory.low), digits(memory.high), str(memory.cells))
        lines.append((MARKS[worked_out.memory_validity[transport]], printable(transport), *figures))
    return "\n".join(laid_out(lines, (0, 1)))


def _place(row: Row) -> tuple[str, str]:
    return row.result.condition.load, row.result.condition.link


def _note(row: Row) -> str:
    left_out = f", {row.left_out} of {len(row.result.cells)} measurements left out" if row.left_out else ""
    against = "; ".join(filter(None, (*row.result.reasons, happened(row.result))))
    name = f"{row.result.condition.transport} {row.result.condition.over_link}"
    return printable(f"{MARKS[row.result.validity]} {name} is {row.result.validity}{left_out}: {against}")


def happened(result: Result) -> str:
    """Return what happened to connections and publications, the most frequent first; empty for nothing."""
    return notes.in_words(result.errors, show=SHOWN_ERRORS)


def _cells(row: Row) -> tuple[str, ...]:
    result, costs = row.result, row.result.costs
    return (
        MARKS[result.validity],
        printable(result.condition.transport),
        printable(result.condition.over_link),
        claimed(row),
        with_interval(result.p50),
        with_interval(result.p99),
        digits(value_of(costs.bytes_down)),
        digits(value_of(costs.ip_bytes_down)),
        digits(value_of(costs.server_cpu_us)),
        digits(row.kib_per_connection),
        digits(row.per_million),
        share(result.total("received"), result.total("expected")),
        result.claim.short,
    )
