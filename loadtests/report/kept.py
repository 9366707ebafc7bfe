"""Runs kept for "In the field": where a run did not measure a subject, its part shows the one that is kept.

Of a kept run there is `run.json` alone, which holds costs, counts and memory; its tables, and so its latencies, are not
kept.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from loadtests.records.schema import Run
from loadtests.records.store import RUN_FILE
from loadtests.report.study import Study, outline
from loadtests.report.verdicts.evidence import REFERENCE

FOLDER = REFERENCE / "field"
"""A folder for each kept run, by the subject's name."""


def of(subject: str) -> Study | None:
    """Return the run kept of a subject; None without one. Raises RunError."""
    return _outline(FOLDER / subject)


@cache
def _outline(folder: Path) -> Study | None:
    return outline(folder) if (folder / RUN_FILE).is_file() else None


def origin(run: Run) -> str:
    """Say of which run a kept part is."""
    git, host = run.manifest.get("git", {}), run.manifest.get("host", {})
    cores = f", {host['cores']} cores" if host.get("cores") else ""
    machine = f"{host['cpu_model']}{cores}" if host.get("cpu_model") else ""
    return said(run.run_id, git.get("commit"), machine, changed=bool(git.get("dirty")))


def said(name: str, commit: object, machine: str, *, changed: bool = False) -> str:
    """Say which kept evidence a part shows, with the commit that it is of and its machine. A run's id is its date."""
    made_at = f"commit {str(commit or 'unknown')[:7]}{' with changes that were not committed' if changed else ''}"
    where = f"on {machine}" if machine else "the machine was not recorded"
    return f"Not measured in this run, but in {name}: {made_at}, {where}."
