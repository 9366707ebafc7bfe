"""The report's part on planned cuts: the model, the sentence, the table, and what is said where the model is off."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from loadtests.records.disruption import Cuts, Disruption
from loadtests.records.schema import Cell, Run
from loadtests.records.store import RUN_FILE
from loadtests.report import cuts, export, page
from loadtests.report.study import Study, study
from loadtests.report.verdicts.evidence import own_cuts
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import draw_only

AS_PLANNED = Disruption(up_s=15.0, spread_s=3.0, offline_s=2.0)


def test_the_model_is_that_of_late_deliveries_spread_evenly() -> None:
    rng = np.random.default_rng(1)
    late = rng.random(1_000_000) < AS_PLANNED.share
    latency_ms = np.where(late, rng.uniform(0, 2000, len(late)), 0.0)
    for percent in (80, 90, 95, 99):
        expected = cuts.quantile_ms(AS_PLANNED, percent)
        assert float(np.percentile(latency_ms, percent)) == pytest.approx(expected, abs=10), percent
    assert cuts.quantile_ms(AS_PLANNED, 95) == pytest.approx(1150)
    assert cuts.quantile_ms(AS_PLANNED, 99) == pytest.approx(1830)
    assert 100 * AS_PLANNED.share == pytest.approx(11.76, abs=0.01)


def made(folder: Path, *, p99_ms: float = 1850.0, lost: int = 0, duplicates: int = 0) -> Study:
    """A run of three blocks, one load with a resume and one without; what is wrong is wrong in the first block."""
    truths = {name: synthetic.TRUTHS[name] for name in ("websocket", "sse")}
    loads = (("resume", 50, 10.0), ("anew", 50, 10.0))
    run = synthetic.make_run(folder, synthetic.Plan(truths=truths, loads=loads, fan_out=(), measured_s=2.0))
    cells = tuple(_cut(cell, p99_ms, lost, duplicates) if cell.kind == "latency" else cell for cell in run.cells)
    (folder / RUN_FILE).write_bytes(msgspec.json.encode(msgspec.structs.replace(run, cells=cells)))
    assert msgspec.json.decode((folder / RUN_FILE).read_bytes(), type=Run).cells == cells
    return study(folder)


def _cut(cell: Cell, p99_ms: float, lost: int, duplicates: int) -> Cell:
    assert cell.counts is not None
    resume, first = cell.load == "resume", cell.block == 0
    by_plan = 0 if resume else 117
    wrong = {"lost": by_plan + (lost if first and resume else 0), "lost_to_cuts": by_plan}
    wrong["duplicates"] = duplicates if first and resume else 0
    found = Cuts(
        disrupt=AS_PLANNED,
        resume=resume,
        cuts=30,
        away=0,
        due=1000,
        lost=by_plan,
        replayed=120 if resume else 0,
        replay_bytes=24_000 if resume else 0,
        latency_ms={"p50": 1.0, "p95": 1160.0, "p99": p99_ms if first else 1840.0},
        replay_ms={"p50": 1000.0, "p95": 1900.0} if resume else {},
        back_ms={"p50": 4.0},
    )
    return msgspec.structs.replace(cell, kind="cut", cuts=found, counts=msgspec.structs.replace(cell.counts, **wrong))


def test_the_part_says_what_a_resume_is_worth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_only(monkeypatch, field=(cuts.part,))
    worked_out = made(tmp_path)
    said = cuts.sentence(cuts.rows(worked_out))
    assert said.startswith("Keep the position of the last message and resume from it: where of every 17 s")
    assert "clients that begin anew lose 11.7 % of their messages" in said
    assert said.endswith("those that say where they were lose and double none, 99 % of all within 1,840 ms.")
    text = page.write(tmp_path, worked_out).read_text(encoding="utf-8")
    section = text[text.index('id="h-cuts"') :]
    assert "p99 1,840 ms (model 1,830 ms, 3 runs at most 1.1 % off)" in section
    assert "lost 11.7 % (model 11.8 %, 3 runs at most 0.5 % off)" in section
    assert "1,000 / 1,900 / " in section
    assert (tmp_path / "charts" / "cuts.svg").is_file()


def test_what_a_resume_lost_or_doubled_is_in_the_sentence(tmp_path: Path) -> None:
    found = cuts.rows(made(tmp_path, lost=2, duplicates=1))
    assert "those that say where they were lose 4 and double 2" in cuts.sentence(found), "two transports"
    assert [(row.unplanned, row.duplicates) for row in found if row.resume] == [(2, 1), (2, 1)]


def test_a_run_off_the_model_has_its_residual_named(tmp_path: Path) -> None:
    text = cuts.render_text(made(tmp_path, p99_ms=2100.0))
    assert "WebSocket resume: p99 is 15 % off the model; clients took 4.00 ms to be welcome again" in text
    assert "off the model" not in cuts.render_text(made(tmp_path / "again"))


def test_a_row_of_which_nothing_was_due_has_no_marks(tmp_path: Path) -> None:
    row = cuts.rows(made(tmp_path))[0]
    none = msgspec.structs.replace(row.cuts[0], due=0, lost=0, replayed=0, latency_ms={}, back_ms={})
    assert replace(row, cuts=(none,)).percentiles == ([], [])


def test_cuts_are_in_the_export_and_are_evidence(tmp_path: Path) -> None:
    worked_out = made(tmp_path)
    records = {(r["transport"], r["load"]): r for r in json.loads(export.as_json(worked_out))["results"]}
    anew = records["websocket", "anew"]
    assert (anew["resume"], anew["offline_s"], anew["lost_to_cuts"], anew["replayed"]) == (False, 2.0, 351, 0)
    found = own_cuts(worked_out)
    assert found is not None
    assert {each.transport for each in found.of(resume=False)} == {"websocket", "sse"}
    assert "resume" not in records["websocket", "idle-400"]


def test_a_run_without_cuts_says_nothing_of_them(tmp_path: Path) -> None:
    synthetic.make_run(tmp_path, synthetic.TINY)
    worked_out = study(tmp_path)
    assert cuts.render_text(worked_out) == ""
    assert own_cuts(worked_out) is None
