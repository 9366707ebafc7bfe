"""The report's section "What others measured, measured again", the lines for a terminal, and a data frame.

The figures come from `replays.json` in the run's own folder, else beside the runs, else in `results/reference`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from loadtests.records.replays import FILE, Replayed, Replays, Row, Ruling, load
from loadtests.report.quantity import count, digits, laid_out, listed
from loadtests.report.verdicts.evidence import REFERENCE


def beside(run_dir: Path, reference: Path = REFERENCE) -> Replays | None:
    """Return the replays that belong to a run; None where none were made. Raises RunError."""
    return load(run_dir / FILE) or load(reference / FILE)


def made(run_dir: Path) -> tuple[Replayed, ...]:
    """Return the replays that belong to a run; none where none were made. Raises RunError."""
    found = beside(run_dir)
    return found.replays if found else ()


def sentence(found: Sequence[Replayed]) -> str:
    """Count the verdicts, and name what came out otherwise."""
    rulings = Counter(each.ruling for each in found)
    counted = listed([f"{rulings[ruling]} {ruling}" for ruling in Ruling if rulings[ruling]])
    other = [each.name for each in found if each.ruling is Ruling.NOT_REPRODUCED]
    named = f" Measure for yourself what these say: {listed(other)}." if other else ""
    return f"Of {count(len(found), 'published table')}: {counted}.{named}"


def verdict(found: Replayed) -> str:
    """Return the verdict with its reason: the rows that are off, or the input that is missing."""
    unknown = [row.what for row in found.rows if row.ours is None]
    match found.ruling:
        case Ruling.REPRODUCED:
            return str(found.ruling)
        case Ruling.NOT_REPRODUCED:
            off = [f"{row.what} ({residual(row)})" for row in found.rows if row.ours is not None and not row.holds]
            return f"{found.ruling}: {listed(off)}"
        case Ruling.NOT_COMPARABLE:
            return f"{found.ruling}: {found.missing or 'no usable figure here for ' + listed(unknown)}"


def residual(row: Row) -> str:
    """Return how far ours is off what was published, with a sign."""
    off = row.residual_percent
    if off is None:
        return digits(None)
    return "not 0" if off == float("inf") else f"{round(off):+d} %" if round(off) else "0 %"


def render_text(found: Replayed) -> str:
    """Return a replay's rows and its verdict for a terminal."""
    lines = [["", "published", "here", "off", "fixed by"]]
    lines += [
        [row.what, figure(row.published, row.unit), figure(row.ours, row.unit), residual(row), row.fixed_by]
        for row in found.rows
    ]
    table = [f"  {line}" for line in laid_out(lines, words=(0, 4))]
    return "\n".join([*table, f"  {verdict(found)}", f"  {found.source}, {found.date}: {found.url}"])


def figure(value: float | None, unit: str) -> str:
    """Return a figure with its unit; a dash where there is none."""
    if value is None:
        return digits(value)
    text = f"{value:,.0f}" if value.is_integer() else digits(value)
    return f"{text} {unit}".rstrip()


def table(found: Sequence[Replayed]) -> pd.DataFrame:
    """Published and ours: index (replay, figure); columns unit, published, here, off, fixed by, holds."""
    rows = [
        {
            "replay": each.name,
            "figure": row.what,
            "unit": row.unit,
            "published": row.published,
            "here": row.ours,
            "off": residual(row),
            "fixed by": str(row.fixed_by),
            "holds": row.holds,
        }
        for each in found
        for row in each.rows
    ]
    return pd.DataFrame(rows).set_index(["replay", "figure"]) if rows else pd.DataFrame()


def verdicts(found: Sequence[Replayed]) -> pd.DataFrame:
    """Index replay; columns verdict, source, date, texts."""
    rows = [{"replay": each.name, "verdict": verdict(each), "source": each.source, "date": each.date} for each in found]
    return pd.DataFrame(rows).set_index("replay") if rows else pd.DataFrame()
