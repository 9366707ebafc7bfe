"""The end of a run in a terminal: three sentences that the report says too, and a table that fits 100 columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.report import answer, doubts, guide_table, terminal
from loadtests.report.conclude import conclude
from loadtests.report.study import Study, study
from tests.loadtests.report.pages import draw_only
from tests.loadtests.report.synthetic import TRUTHS, Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth
from tests.loadtests.report.verdicts import made

PLAN = Plan(loads=(("20x10", 20, 10.0), ("40x10", 40, 10.0)), fan_out=(), blocks=1, measured_s=1.5)
SMALL = replace(PLAN, truths={"sse": TRUTHS["sse"]}, loads=PLAN.loads[:1])
BUSY = "CPU used by other programs is 180 % of a core, more than 25 % of a core"


@pytest.fixture(scope="module")
def worked_out(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, replace(PLAN, doubtful={"0-sse-20x10": BUSY}))
    return study(folder)


def test_three_sentences_are_those_of_the_report(worked_out: Study) -> None:
    evidence = made.evidence(worked_out)
    said = " ".join(terminal.sentences(evidence).split())
    first, last = answer.lead(evidence), doubts.trust(evidence)
    assert said.startswith(first)
    assert said.endswith(last)
    assert " Which to use: " in said


def test_a_load_is_said_as_people_say_it_and_a_doubt_with_what_to_do(worked_out: Study) -> None:
    shown = terminal.table(guide_table.of(worked_out))
    assert "20 receivers, 10 messages/s\n" in shown
    assert "20x10" not in shown
    assert "Other programs used up to 180 % of a core: close them and run again." in shown


@pytest.mark.parametrize("name", ["websocket", "a-server-with-a-very-long-name-" * 4, "шина" * 30])
def test_the_table_fits_whatever_the_names_and_figures(tmp_path: Path, name: str) -> None:
    truths = {name: Truth(base_ms=123_456.7), "sse": TRUTHS["sse"]}
    make_run(tmp_path, replace(PLAN, truths=truths, doubtful={f"0-{name}-20x10": "x" * 300}))
    shown = terminal.table(guide_table.of(study(tmp_path)))
    assert max(map(len, shown.splitlines())) <= terminal.WIDTH
    assert ("[95 %]" in shown) == (" to " in shown), "the heading promises intervals where there are any"


def test_what_no_browser_takes_is_marked(worked_out: Study) -> None:
    shown = terminal.table(guide_table.of(made.with_medians(worked_out, "h2push", [16.0])))
    assert "h2push*" in shown
    assert "* no current browser" in shown
    assert "no current browser" not in terminal.table(guide_table.of(worked_out))


def test_wide_has_every_column_and_the_names_of_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch)
    run = make_run(tmp_path, SMALL)
    conclude(tmp_path, run)
    narrow = capsys.readouterr().out
    conclude(tmp_path, run, wide=True)
    wide = capsys.readouterr().out
    assert max(len(line) for line in narrow.splitlines() if not line.startswith("report:")) <= terminal.WIDTH
    assert "20x10" in wide
    assert "p99 [95 %] ms" in wide
    assert "p99 [95 %] ms" not in narrow


def test_evidence_that_can_not_be_read_takes_no_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch)
    run = make_run(tmp_path, SMALL)
    (tmp_path / "traits.json").write_text("{")
    conclude(tmp_path, run)
    out, err = capsys.readouterr()
    assert "20 receivers, 10 messages/s" in out
    assert "traits.json cannot be read" in err
