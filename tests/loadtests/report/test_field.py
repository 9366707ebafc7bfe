"""The section "In the field": a part per subject that the run measured, and no section without any."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from loadtests.report import page
from loadtests.report.charts.drawing import Layout
from loadtests.report.field import Part
from loadtests.report.study import Study
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import draw_only


def _empty(layout: Layout) -> Figure:
    return Figure(figsize=(layout.width_in, 1))


def _measured(worked_out: Study, folder: Path) -> Part:
    said = f"{len(worked_out.run.cells)} cells lie in <{folder.name}>."
    return Part("made-up", "Made up", said, _empty, "How to read it.")


def _absent(_: Study, __: Path) -> None:
    return None


def test_each_subject_that_was_measured_has_a_part_with_its_chart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch, field=(_absent, _measured))
    synthetic.make_run(tmp_path, synthetic.TINY)
    text = page.write(tmp_path).read_text(encoding="utf-8")
    section = text[text.index('<h2 id="h-field">In the field') :]
    assert re.search(r'<h3 id="h-made-up">Made up</h3>\s*<p class="says">\d+ cells lie in &lt;', section)
    assert section.count('aria-label="Made up.') == 1
    assert (tmp_path / "charts" / "made-up.svg").is_file()


def test_without_a_part_there_is_no_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_only(monkeypatch, field=(_absent,))
    synthetic.make_run(tmp_path, synthetic.TINY)
    assert 'aria-labelledby="h-field"' not in page.write(tmp_path).read_text(encoding="utf-8")
