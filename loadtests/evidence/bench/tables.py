"""All tables of a bench, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.evidence.bench import bars, growth, summary


def report(rows: Sequence[summary.Row]) -> str:
    """All tables that have a line, as Markdown."""
    parts = {
        "### Bars": bars.markdown(rows),
        "### Small rooms, one message in flight in each": summary.rooms_markdown(rows),
        "### How cost grows": growth.markdown(rows),
        "": summary.markdown(rows).rstrip(),
        "### Who is the bottleneck": summary.busy(rows),
    }
    return "\n\n".join(f"{title}\n\n{text}".lstrip() for title, text in parts.items() if text)
