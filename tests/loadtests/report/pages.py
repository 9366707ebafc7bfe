"""A run's page without its charts, or with a few of them: drawing takes most of the time that a report takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from loadtests.report import charted, subjects
from loadtests.report.field import Subject
from loadtests.report.page import render
from loadtests.report.study import study
from loadtests.report.verdicts.evidence import gather


def page_of(run_dir: Path) -> str:
    worked_out = study(run_dir)
    return render(worked_out, (), gather(worked_out, run_dir))


def draw_only(monkeypatch: pytest.MonkeyPatch, *slugs: str, field: Sequence[Subject] = ()) -> None:
    """Have reports drawn with these charts only, and with these subjects in the field."""
    monkeypatch.setattr(charted, "CHARTS", tuple(chart for chart in charted.CHARTS if chart[0] in slugs))
    monkeypatch.setattr(subjects, "SUBJECTS", tuple(field))
