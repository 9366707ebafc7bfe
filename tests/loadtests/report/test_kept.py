"""What a run did not measure is shown of a kept run, which is named; of a run's own measurement nothing is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from loadtests.records.schema import Run
from loadtests.records.store import RUN_FILE
from loadtests.report import charted, cuts, kept, middleboxes_part, storm_part, tls
from loadtests.report.charts.drawing import SCREEN, house_style
from loadtests.report.study import Study, outline, study
from loadtests.report.verdicts.evidence import REFERENCE
from tests.loadtests.report import synthetic, test_cuts


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A run that cut nobody and knows no TLS."""
    folder = tmp_path_factory.mktemp("plain")
    synthetic.make_run(folder, synthetic.TINY)
    return study(folder)


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept runs, empty."""
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "field")
    return tmp_path / "field"


def keep(held: Path, subject: str, run_dir: Path) -> None:
    (held / subject).mkdir(parents=True)
    shutil.copy(run_dir / RUN_FILE, held / subject)


def test_without_a_kept_run_there_is_no_part(plain: Study, held: Path) -> None:
    assert cuts.part(plain, held) is None
    assert tls.part(plain, held) is None


def test_the_kept_run_speaks_where_the_run_cut_nobody(plain: Study, held: Path, tmp_path: Path) -> None:
    own = test_cuts.made(tmp_path / "own", lost=2)
    keep(held, "cuts", tmp_path / "own")
    part = cuts.part(plain, held)
    assert part is not None
    assert part.sentence == cuts.sentence(cuts.rows(own))
    assert "lose 4 and double 0" in part.sentence
    assert part.origin.startswith(f"Not measured in this run, but in {own.run.run_id}: commit ")
    mine = cuts.part(own, held)
    assert mine is not None
    assert mine.origin == ""
    assert mine.reading.startswith("Each line: ")


def test_the_chart_of_a_kept_run_has_its_percentiles(plain: Study, held: Path, tmp_path: Path) -> None:
    test_cuts.made(tmp_path / "own")
    keep(held, "cuts", tmp_path / "own")
    part = cuts.part(plain, held)
    assert part is not None
    assert part.reading.startswith("Each mark, of p50, p95 and p99: ")
    with house_style():
        figure = part.draw(SCREEN)
    assert figure is not None
    marks = [line for line in figure.axes[-1].lines if line.get_marker() not in ("", "None")]
    points = [point for line in marks for point in np.asarray(line.get_xydata())]
    assert any(point == pytest.approx([1840.0, 99.0]) for point in points)
    assert [line.get_markersize() for line in marks] == [8, 5], "both can be seen where they are alike"


def test_origin_names_commit_and_machine() -> None:
    run = msgspec.json.decode((REFERENCE / RUN_FILE).read_bytes(), type=Run)
    host = {"cpu_model": "Some CPU", "cores": 8}
    named = msgspec.structs.replace(run, run_id="r", manifest={"git": {"commit": "0123456789"}, "host": host})
    assert kept.origin(named) == "Not measured in this run, but in r: commit 0123456, on Some CPU, 8 cores."
    changed = msgspec.structs.replace(named, manifest={"git": {"commit": "0123456789", "dirty": True}, "host": host})
    assert "commit 0123456 with changes that were not committed, on Some CPU" in kept.origin(changed)
    bare = msgspec.structs.replace(named, manifest={})
    assert kept.origin(bare) == "Not measured in this run, but in r: commit unknown, the machine was not recorded."


def test_every_subject_is_kept_for_a_run_that_measured_none(plain: Study, tmp_path: Path) -> None:
    parts = [each(plain, tmp_path) for each in (tls.part, cuts.part, storm_part.part, middleboxes_part.part)]
    assert [part.slug for part in parts if part is not None and part.origin] == ["tls", "cuts", "storm", "boxes"]


def test_a_kept_chart_is_drawn_once(plain: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(charted, "_KEPT", {})
    monkeypatch.setattr(charted, "_drawn", lambda slug, _: drawn.append(slug))
    for _ in range(2):
        charted.draw_field(plain, tmp_path)
    assert drawn == ["tls", "cuts", "storm", "boxes"]


def test_an_outline_has_what_the_run_file_has(tmp_path: Path) -> None:
    whole = test_cuts.made(tmp_path)
    found = outline(tmp_path)
    assert cuts.sentence(cuts.rows(found)) == cuts.sentence(cuts.rows(whole))
    assert all(result.p50 is None for result in found.results)
