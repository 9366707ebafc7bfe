"""A run's page without its charts, which take most of the time that a report takes."""

from __future__ import annotations

from pathlib import Path

from loadtests.report.page import render
from loadtests.report.study import study
from loadtests.report.verdicts.evidence import gather


def page_of(run_dir: Path) -> str:
    worked_out = study(run_dir)
    return render(worked_out, (), gather(worked_out, run_dir))
