"""`rtlab diff` and `rtlab export`: what is read from runs that were made before."""

from __future__ import annotations

import sys
from collections.abc import Set
from pathlib import Path

from loadtests.records import store
from loadtests.report import comparable


def diff(a: str, b: str, runs_folder: Path, despite: Set[str] = frozenset()) -> int:
    """Print how run `b` differs from run `a`; return the exit code. RunError where they can't be compared."""
    folders = store.find(runs_folder, a), store.find(runs_folder, b)
    first, second = (store.load(folder) for folder in folders)
    accepted = comparable.require(first, second, despite)
    from loadtests.report import contrasts

    shown = contrasts.between(*folders)
    print(f"A: {first.run_id}\nB: {second.run_id}\n")
    for difference in accepted:
        print(f"although {difference}")
    print(contrasts.render_text(shown))
    return 0


def export(run: str, runs_folder: Path, form: str, to: Path | None) -> int:
    """Print a run's figures in the form `json`, `csv` or `openmetrics`, or write them to `to`; return the exit code."""
    folder = store.find(runs_folder, run)
    from loadtests.report import export as exports
    from loadtests.report.study import study

    forms = {"json": exports.as_json, "csv": exports.as_csv, "openmetrics": exports.as_openmetrics}
    text = forms[form](study(folder))
    if to is None:
        sys.stdout.write(text)
    else:
        store.write_atomically(to, text.encode())
    return 0
