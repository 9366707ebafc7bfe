"""The bench as parts of `docs/performance.md`: at a glance, and in tables.

`python -m loadtests.evidence.bench.document` puts the reference bench into the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from loadtests.evidence.bench import glance as bench_at_a_glance
from loadtests.evidence.bench.bench import minutes
from loadtests.evidence.bench.tables import report
from loadtests.evidence.complexity.python_source import count
from loadtests.report.marked import filled

ROOT: Final = Path(__file__).parents[3]
RESULTS: Final = ROOT / "results" / "reference" / "bench"
DOCUMENT: Final = ROOT / "docs" / "performance.md"
_GLANCE: Final = "<!-- bench at a glance: begin -->", "<!-- bench at a glance: end -->"
_TABLES: Final = "<!-- bench: begin -->", "<!-- bench: end -->"
_ABSENT: Final = (
    "This repository keeps no reference run yet; `python -m loadtests.evidence.bench` prints these tables.\n"
)
_CHART: Final = "![CPU per delivery and throughput, by transport and system](../results/reference/bench/bench.svg)"
_ROOMS_CHART: Final = "![CPU per delivery by size of room, transport and system](../results/reference/bench/rooms.svg)"
_MEDIANS: Final = "Figures are medians, with the least and the greatest in parentheses."
_FAST_PATH: Final = ROOT / "transports" / "direct"
_BEFORE: Final = 1591, "07f8f56"  # the fast path's statements before rooms of two were looked at, and that commit


def glance(folder: Path) -> str:
    """What a message costs by the size of the room, and how fast the machine was, as Markdown; and the picture."""
    if not folder.exists():
        return _ABSENT
    kept = _kept(folder / "bench.json")
    return f"{bench_at_a_glance.markdown(kept['rows'])}\n\n{_ROOMS_CHART}\n\n{_origin(kept)}\n"


def tables(folder: Path) -> str:
    """What a bench's folder holds, as Markdown: charts, tables; growth and memory where they were measured.

    A sentence that says so when there is no such folder. Raises FileNotFoundError for a folder without a bench in it.
    """
    if not folder.exists():
        return _ABSENT
    kept = _kept(folder / "bench.json")
    parts = [
        _origin(kept),
        _extent(kept),
        "Figures are medians, with the least and the greatest.",
        _CHART,
        report(kept["rows"]).strip(),
    ]
    growth = folder / "growth.md"
    if growth.exists():
        parts += ["### How cost grows", _origin(_kept(growth.with_suffix(".json")))]
        parts.append(growth.read_text(encoding="utf-8").strip())
    memory = folder / "memory.md"
    if memory.exists():
        parts += ["### What holds the memory of an idle connection", memory.read_text(encoding="utf-8").strip()]
    return "\n\n".join(filter(None, parts)) + "\n"


def _kept(file: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return kept


def _origin(kept: Mapping[str, Any]) -> str:
    machine = kept["machine"]
    commit = f", commit {kept['commit']}" if "commit" in kept else ""
    return (
        f"{kept['ended_utc']}{commit}; {kept['extent']} extent, {kept['repeats']} repeats; Python {machine['python']}, "
        f"{machine['platform']}, {machine['cores']} cores."
    )


def _extent(kept: Mapping[str, Any]) -> str:
    """How long it took, and how large the fast path was; empty where neither was kept."""
    took = f"The bench took {minutes(kept['took_s'])}." if "took_s" in kept else ""
    now, (before, commit) = kept.get("fast_path_statements"), _BEFORE
    size = (
        f"The fast path (`transports/direct`) has {now:,} statements; before the work on small rooms ({commit}) it had "
        f"{before:,}. They are counted in Python's syntax tree, docstrings aside."
        if now
        else ""
    )
    return " ".join(filter(None, (took, size)))


def fast_path_statements() -> int:
    """Statements of `transports/direct`, docstrings aside; 0 without that folder."""
    return sum(count(file.read_text(encoding="utf-8"), file.name).lines for file in sorted(_FAST_PATH.glob("*.py")))


def replaced(text: str, at_a_glance: str, results: str) -> str:
    """The document with what is written between its marks. Raises RunError when it has none."""
    text = filled(DOCUMENT.name, text, _GLANCE[0], at_a_glance, _GLANCE[1])
    return filled(DOCUMENT.name, text, _TABLES[0], results, _TABLES[1])


if __name__ == "__main__":
    _TEXT = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replaced(_TEXT, glance(RESULTS), tables(RESULTS)), encoding="utf-8")
