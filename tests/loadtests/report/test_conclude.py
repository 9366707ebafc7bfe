"""The end of a run: what is written, what is printed, and which exit code comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from loadtests.records.schema import Validity, Verdict
from loadtests.report.conclude import FAILED, OK, SOME_INVALID, THRESHOLD_BROKEN, conclude
from loadtests.report.thresholds import parse
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import draw_only

PLAN = synthetic.Plan(
    truths={"websocket": synthetic.TRUTHS["websocket"]}, loads=(("50x10", 50, 10.0),), fan_out=(), blocks=1
)
KEPT, BROKEN = parse("websocket.p50>20s"), parse("websocket.p50<20s")


@pytest.fixture(autouse=True)
def _without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_only(monkeypatch)


def test_thresholds_decide_the_exit_code_and_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = synthetic.make_run(tmp_path, PLAN)
    assert conclude(tmp_path, run, [KEPT]) == OK
    assert conclude(tmp_path, run, [KEPT, BROKEN]) == THRESHOLD_BROKEN
    out, err = capsys.readouterr()
    assert "kept: websocket.p50>20s (websocket 50x10: p50 is 0." in out
    assert "BROKEN: websocket.p50<20s (websocket 50x10: p50 is 0." in out
    assert err == "rtlab: broken: websocket.p50<20s\n"
    assert (tmp_path / "report.html").is_file()
    assert json.loads((tmp_path / "results.json").read_text())["run_id"] == run.run_id


def test_a_report_that_can_not_be_written_takes_neither_table_nor_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = synthetic.make_run(tmp_path, PLAN)
    (tmp_path / "report.html").mkdir()
    assert conclude(tmp_path, run) == FAILED
    assert conclude(tmp_path, run, [BROKEN]) == THRESHOLD_BROKEN
    out, err = capsys.readouterr()
    assert "50 receivers, 10 messages/s" in out
    assert "report:" not in out
    assert f"rtlab: the report could not be written into {tmp_path}: " in err


def test_terminal_and_report_count_a_cell_once_however_often_it_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = {"0-websocket-idle-400": "it was spoilt", "0-websocket-50x10": "it was spoilt"}
    run = synthetic.make_run(tmp_path, replace(PLAN, invalid=spoilt))
    usable, spoilt_again = (cell for cell in run.cells)
    again = (
        msgspec.structs.replace(usable, id=f"{usable.id}-again", verdict=Verdict(Validity.VALID)),
        msgspec.structs.replace(spoilt_again, id=f"{spoilt_again.id}-again"),
    )
    run = msgspec.structs.replace(run, cells=(*run.cells, *again))
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(run))
    assert conclude(tmp_path, run) == SOME_INVALID
    assert f"rtlab: 1 of 2 cells are invalid: {spoilt_again.id}\n" in capsys.readouterr().err
    said = "2 cells, complete; 1 valid, 1 invalid; 2 repetitions of cells that were spoilt; "
    assert said in (tmp_path / "report.html").read_text()


def test_an_invalid_cell_is_no_success_and_a_broken_threshold_counts_more(tmp_path: Path) -> None:
    run = synthetic.make_run(tmp_path, replace(PLAN, invalid={"0-websocket-idle-400": "it was spoilt"}))
    assert conclude(tmp_path, run, [KEPT]) == SOME_INVALID
    assert conclude(tmp_path, run, [BROKEN]) == THRESHOLD_BROKEN
