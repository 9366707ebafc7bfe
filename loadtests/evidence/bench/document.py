"""`python -m loadtests.evidence.bench.document`: put the reference bench into `docs/performance.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
RESULTS: Final = ROOT / "results" / "reference" / "bench"
DOCUMENT: Final = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"
_ABSENT: Final = (
    "This repository keeps no reference run yet; `python -m loadtests.evidence.bench` prints these tables.\n"
)
_CHART: Final = "![CPU per delivery and throughput, by transport and system](../results/reference/bench/bench.svg)"


def render(folder: Path) -> str:
    """What a bench's folder holds, as Markdown: origin, chart, tables, memory where it was broken down.

    A sentence that says so when there is no such folder. Raises FileNotFoundError for a folder without a bench in it.
    """
    if not folder.exists():
        return _ABSENT
    kept = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    machine = kept["machine"]
    origin = (
        f"{kept['ended_utc']}; {kept['extent']} extent, {kept['repeats']} repeats; Python {machine['python']}, "
        f"{machine['platform']}, {machine['cores']} cores. Median (least to greatest)."
    )
    parts = [origin, _CHART, (folder / "bench.md").read_text(encoding="utf-8").strip()]
    memory = folder / "memory.md"
    if memory.exists():
        parts += ["### What holds the memory of an idle connection", memory.read_text(encoding="utf-8").strip()]
    return "\n\n".join(parts) + "\n"


def replaced(text: str, results: str) -> str:
    """The document with `results` between its marks. Raises ValueError when it has none."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has no place for the results: {_BEGIN.strip()} … {_END.strip()}")
    return before + begin + results + end + after


if __name__ == "__main__":
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), render(RESULTS)), encoding="utf-8")
