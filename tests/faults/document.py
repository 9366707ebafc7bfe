"""`python -m tests.faults.document`: put the table of `results/reference/faults.json` into `docs/reliability.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loadtests.report.marked import filled

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "reference" / "faults.json"
DOCUMENT = ROOT / "docs" / "reliability.md"
_BEGIN, _END = "<!-- faults: begin -->", "<!-- faults: end -->"
_SHOWN = (
    "acknowledged", "lost", "duplicated", "reordered", "holes", "phantoms", "announced_gaps", "resets", "refused",
    "ghosts_left_after_s", "all_notified_after_s", "health_slowest_s", "p99_alone_ms", "p99_together_ms",
    "most_queued_bytes_each", "reaped_after_s", "connections", "deliveries_per_s", "seconds", "exit_code", "joins",
    "rss_growth", "end_tasks", "end_fds", "end_redis_keys", "accepted", "allowed", "status_5xx", "closes_1006_or_1011",
    "vanishing-websocket_left_after_s", "vanishing-sse_left_after_s", "vanishing-longpoll_left_after_s",
    "reason", "error",
)  # fmt: skip


def render(document: dict[str, Any]) -> str:
    """The table as Markdown, with how it came about."""
    lines = [
        f"Form: {document['form']}; fan-out: {document['fanout']}; {document['redis']}; Python {document['python']}; "
        f"Linux {document['kernel']}; commit {document['commit']}; {document['seconds'] / 60:.0f} minutes.",
        "",
        "| scenario | | bar | measured | met |",
        "|---|---|---|---|---|",
    ]
    for row in document["rows"]:
        measured = row["measured"]
        shown = ", ".join(f"{name.replace('_', ' ')} {measured[name]}" for name in _SHOWN if name in measured)
        met = "yes" if row["passed"] else "**no**"
        lines.append(f"| {row['scenario']} | {row['variant']} | {row['bar']} | {shown} | {met} |")
    return "\n".join(lines) + "\n"


def replaced(text: str, table: str) -> str:
    """The document with `table` between its marks. Raises RunError when it has none."""
    return filled(DOCUMENT.name, text, _BEGIN, table, _END)


if __name__ == "__main__":
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(), render(json.loads(RESULTS.read_text()))))
