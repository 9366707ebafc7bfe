"""`python -m loadtests.evidence.complexity [--out FILE] [--source DIR]`: print the counts, write them as JSON.

The file: `{"schema": 1, "commit", "rows": […], "others": […], "needs": […]}`. `rows` are each transport's own server
and client files, `others` what they share, the direct sink, and the clients on stock libraries and in the page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import asdict

from core.catalogue import records
from loadtests.evidence.complexity import need, parts
from loadtests.evidence.complexity.python_source import UnreadableSourceError
from loadtests.records.facts import Need, Part
from loadtests.run import manifest

SCHEMA = 1
_ROOT = Path(__file__).parents[3]


def main(arguments: Sequence[str] | None = None) -> int:
    """Count and print; 0, or 1 with one sentence when some source cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.evidence.complexity", description="Count the transports' code."
    )
    parser.add_argument("--out", type=Path, help="where to write the counts as JSON")
    parser.add_argument("--source", type=Path, default=_ROOT, help="the repository (default: this one)")
    options = parser.parse_args(arguments)
    try:
        rows, others = parts(options.source)
        needs = [need(record, options.source) for record in records().values()]
    except (OSError, UnreadableSourceError) as error:
        print(f"complexity: {error}", file=sys.stderr)
        return 1
    print(table(rows, others, needs))
    if options.out is not None:
        document = {
            "schema": SCHEMA,
            "commit": manifest.short_commit(manifest.git(options.source), ""),
            "rows": [asdict(part) for part in rows],
            "others": [asdict(part) for part in others],
            "needs": [asdict(each) for each in needs],
        }
        options.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def table(rows: Iterable[Part], others: Iterable[Part], needs: Iterable[Need]) -> str:
    """Lines, branches and states of each transport's parts, summed over their files, and what each needs around it."""
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for part in (*rows, *others):
        for place, count in enumerate((part.lines, part.branches, part.states)):
            sums[part.transport or "(all)", part.part][place] += count
    text = [f"{'transport':10} {'part':13} {'lines':>6} {'branches':>9} {'states':>7}"]
    text += [f"{name:10} {part:13} {c[0]:6} {c[1]:9} {c[2]:7}" for (name, part), c in sums.items()]
    text += ["", f"{'transport':10} reconnect; resume; upstream; proxy"]
    text += [f"{n.transport:10} {n.reconnect}; {n.resume}; {n.upstream}; {n.proxy}" for n in needs]
    return "\n".join(text)


if __name__ == "__main__":
    sys.exit(main())
