"""A run's page without its charts, or with a few of them: drawing takes most of the time that a report takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.report import charted
from loadtests.report.page import render
from loadtests.report.study import study
from loadtests.report.verdicts.evidence import gather


def page_of(run_dir: Path) -> str:
    worked_out = study(run_dir)
    return render(worked_out, (), gather(worked_out, run_dir))


def draw_only(monkeypatch: pytest.MonkeyPatch, *slugs: str) -> None:
    """Have reports drawn with these charts only."""
    monkeypatch.setattr(charted, "CHARTS", tuple(chart for chart in charted.CHARTS if chart[0] in slugs))
