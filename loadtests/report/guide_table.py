"""The guide's table, measured: one row per transport and load, for the terminal and for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.records import notes
from loadtests.records.schema import Validity
from loadtests.report import claims
from loadtests.report.bootstrap import Estimate
from loadtests.report.condition import Result
from loadtests.report.quantity import UNKNOWN, digits, printable, share, span
from loadtests.report.study import Study, study

MARKS = {Validity.VALID: "●", Validity.DOUBTFUL: "◐", Validity.INVALID: "○"}
"""Full, half, hollow: how far a row can be believed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of figures, unrounded; None where nothing can be stated."""

    transport: str
    load: str
    link: str
    subscribers: int
    rate_per_s: float
    claimed_ms: float | None
    deliveries: int
    p50: Estimate | None
    p99: Estimate | None
    wire_bytes: float | None  # down, per delivery
    server_cpu_us: float | None  # per delivery
    kib_per_connection: float | None
    cells: int
    left_out: int  # of them, as invalid, or doubtful and measured again
    received: int
    expected: int
    lost: int
    duplicates: int
    out_of_order: int
    validity: Validity
    reasons: tuple[str, ...]
    errors: Mapping[str, int]  # why connections were cut or refused and publications not taken, with counts
    verdict: claims.ClaimVerdict


SHOWN_ERRORS = 3

HEADINGS = (
    "", "transport", "load", "claimed", "p50 [95 %] ms", "p99 [95 %] ms", "B/delivery", "CPU us", "KiB/conn", "reach",
    "verdict",
)  # fmt: skip


def rows(run_dir: Path) -> tuple[Row, ...]:
    """Work out a run's rows: its latency conditions, by load, then in the fixed order. Raises `RunError`."""
    return of(study(run_dir))


def of(worked_out: Study) -> tuple[Row, ...]:
    """Return the rows of a study: its cells of the kinds `latency` and `link`, else whatever was measured."""
    return tuple(_row(result, worked_out) for result in worked_out.tabled)


def _row(result: Result, worked_out: Study) -> Row:
    transport = result.condition.transport
    memory = worked_out.memory.get(transport)
    costs = result.costs
    return Row(
        transport=transport,
        load=result.condition.load,
        link=result.condition.link,
        subscribers=result.condition.subscribers,
        rate_per_s=result.condition.rate_per_s,
        claimed_ms=(worked_out.run.claims or claims.GUIDE_LATENCY_MS).get(transport),
        deliveries=result.percentiles.received,
        p50=result.p50,
        p99=result.p99,
        wire_bytes=costs.bytes_down.value if costs.bytes_down else None,
        server_cpu_us=costs.server_cpu_us.value if costs.server_cpu_us else None,
        kib_per_connection=memory.value if memory else None,
        cells=len(result.cells),
        left_out=len(result.cells) - len(result.used),
        received=result.total("received"),
        expected=result.total("expected"),
        lost=result.total("lost"),
        duplicates=result.total("duplicates"),
        out_of_order=result.total("out_of_order"),
        validity=result.validity,
        reasons=result.reasons,
        errors=result.errors,
        verdict=result.claim,
    )


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
    lines = [HEADINGS, *(_cells(row) for row in table)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    out: list[str] = [_laid_out(HEADINGS, widths)]
    previous: Row | None = None
    for row, line in zip(table, lines[1:], strict=True):
        if previous and (row.load, row.link) != (previous.load, previous.link):
            out.append("")
        out.append(_laid_out(line, widths))
        previous = row
    notes = [_note(row) for row in table if row.reasons or row.errors]
    return "\n".join([*out, *(["", *notes] if notes else [])])


def render_memory(worked_out: Study) -> str:
    """Lay out what idle connections cost, for runs that measured nothing else; ends without a newline."""
    lines = [("", "transport", "KiB/conn", "lowest", "highest", "cells")]
    for transport, memory in worked_out.memory.items():
        figures = (digits(memory.value), digits(memory.low), digits(memory.high), str(memory.cells))
        lines.append((MARKS[worked_out.memory_validity[transport]], printable(transport), *figures))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column > 1 else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _note(row: Row) -> str:
    left_out = f", {row.left_out} of {row.cells} measurements left out" if row.left_out else ""
    against = "; ".join(filter(None, (*row.reasons, happened(row))))
    return printable(f"{MARKS[row.validity]} {_name(row)} is {row.validity}{left_out}: {against}")


def happened(row: Row) -> str:
    """Return what happened to the row's connections and publications, the most frequent first; empty for nothing."""
    return notes.in_words(row.errors, show=SHOWN_ERRORS)


def _name(row: Row) -> str:
    return printable(f"{row.transport} {row.load}" + ("" if row.link == "loopback" else f" {row.link}"))


def _laid_out(line: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, figures to the right."""
    words = {HEADINGS.index(heading) for heading in ("", "transport", "load", "verdict")}
    aligned = [
        text.ljust(width) if column in words else text.rjust(width)
        for column, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    load = row.load if row.link == "loopback" else f"{row.load} {row.link}"
    return (
        MARKS[row.validity],
        printable(row.transport),
        printable(load),
        claimed(row),
        with_interval(row.p50),
        with_interval(row.p99),
        digits(row.wire_bytes),
        digits(row.server_cpu_us),
        digits(row.kib_per_connection),
        share(row.received, row.expected),
        str(row.verdict.ruling),
    )
