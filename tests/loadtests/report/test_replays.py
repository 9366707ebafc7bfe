"""The section on replays: verdicts with their reasons, safe for whatever the file holds, absent without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.records import replays as records
from loadtests.records.replays import Replayed, Replays, Row
from loadtests.report import page, replays
from tests.loadtests.records.test_replays import made, row
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import draw_only


def found(*each: Replayed) -> Replays:
    return Replays(version=1, commit="abc1234", started_utc="2026-01-01T00:00:00Z", replays=each)


def test_the_sentence_counts_and_names_what_came_out_otherwise() -> None:
    said = replays.sentence([made(row(100.0)), made(row(300.0), name="b"), made(row(None), name="c")])
    assert said.startswith("Of 3 published tables: 1 reproduced, 1 not reproduced and 1 not comparable.")
    assert said.endswith("Measure for yourself what these say: b.")


def test_a_verdict_has_its_reason() -> None:
    assert replays.verdict(made(row(104.0))) == "reproduced"
    assert replays.verdict(made(row(104.0), row(80.0))) == "not reproduced: it (-20 %)"
    assert replays.verdict(made(row(None))) == "not comparable: no usable figure here for it"
    assert replays.verdict(made(missing="the rate")) == "not comparable: the rate"
    assert replays.residual(row(1.0, published=0.0)) == "not 0"
    assert replays.residual(row(100.2)) == "0 %"


def test_the_page_shows_the_replays_beside_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_only(monkeypatch)
    synthetic.make_run(tmp_path, synthetic.TINY)
    evil = Row(what="<script>x</script>", unit="ms", published=6.0, fixed_by=row(1.0).fixed_by, ours=6.25)
    records.save(tmp_path / records.FILE, found(made(evil, name="tabs"), made(row(99.0))))
    text = page.write(tmp_path).read_text(encoding="utf-8")
    section = text[text.index('<h2 id="h-replays">') :]
    assert "Of 2 published tables: 2 reproduced." in section
    assert "&lt;script&gt;x" in section
    assert '<td class="n">6 ms</td><td class="n">6.25 ms</td>' in section
    assert replays.made(tmp_path)[1].name == "tabs"
    assert list(replays.table(replays.made(tmp_path)).index) == [("a", "it"), ("tabs", "<script>x</script>")]


def test_without_a_file_nothing_is_made(tmp_path: Path) -> None:
    assert replays.beside(tmp_path, tmp_path) is None
