"""The end of a run: what is written, what is printed, and which exit code comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.analysis.thresholds import parse
from loadtests.lab.compare import FAILED, OK, SOME_INVALID, THRESHOLD_BROKEN, conclude
from tests.loadtests.analysis import synthetic

PLAN = synthetic.Plan(
    truths={"websocket": synthetic.TRUTHS["websocket"]}, loads=(("50x10", 50, 10.0),), fan_out=(), blocks=1
)
KEPT, BROKEN = parse("websocket.p50>20s"), parse("websocket.p50<20s")


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
    assert "websocket  50x10" in out
    assert "report:" not in out
    assert f"rtlab: the report could not be written into {tmp_path}: " in err


def test_an_invalid_cell_is_no_success_and_a_broken_threshold_counts_more(tmp_path: Path) -> None:
    run = synthetic.make_run(tmp_path, replace(PLAN, invalid={"0-websocket-idle-400": "it was spoilt"}))
    assert conclude(tmp_path, run, [KEPT]) == SOME_INVALID
    assert conclude(tmp_path, run, [BROKEN]) == THRESHOLD_BROKEN
