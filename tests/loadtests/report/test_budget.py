"""Planted steps are found again, and add up to the latency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from loadtests.records.schema import STAMPS
from loadtests.records.store import load
from loadtests.report import budget, page, sentences
from loadtests.report.study import study
from tests.loadtests.report.pages import draw_only
from tests.loadtests.report.synthetic import Plan, make_run

PLAN = Plan(loads=(("20x10", 20, 10.0),), fan_out=(), blocks=3, measured_s=4.0)
BEFORE_US = {"accepted_ns": 100, "appended_ns": 130, "heard_ns": 150, "writing_ns": 160}  # since it was due


def _stamp(folder: Path, transport: str, *, writing: bool = True, offset_us: int = 0) -> None:
    """Plant stamps for one transport's events, at fixed times after they were due."""
    publishes = pq.read_table(folder / "publishes.parquet")
    cells = [cell.id for cell in load(folder).cells if cell.transport == transport and cell.kind == "latency"]
    mine = publishes.filter(pc.is_in(publishes["cell"].cast(pa.string()), pa.array(cells)))
    scheduled = mine["scheduled_ns"].to_numpy()
    steps = {name: scheduled + 1000 * (us + offset_us) for name, us in BEFORE_US.items()}
    if not writing:
        steps["writing_ns"] = np.full(len(scheduled), -1)
    columns = {"cell": mine["cell"], "room": mine["room"], "offset": mine["offset"], **steps}
    pq.write_table(pa.table({**columns, "written_ns": scheduled + 10**6}).cast(STAMPS), folder / "stamps.parquet")


def test_steps_are_found_and_add_up(tmp_path: Path) -> None:
    make_run(tmp_path, PLAN)
    _stamp(tmp_path, "websocket")
    (found,) = study(tmp_path).budgets
    assert found.result.condition.transport == "websocket"
    assert found.unstamped == 0
    assert [part.percent for part in found.slices] == [50, 99]
    for part in found.slices:
        assert part.step_ms["append"] == pytest.approx(0.03, abs=1e-6)
        assert part.step_ms["Redis"] == pytest.approx(0.02, abs=1e-6)
        assert part.step_ms["wait for the write"] == pytest.approx(0.01, abs=1e-6)
        ways = [ms for name, ms in part.step_ms.items() if name != budget.READ]
        assert sum(ways) == pytest.approx(part.latency_ms)
    p50 = found.result.percentiles.p50_ms
    assert p50 is not None
    assert found.slices[0].latency_ms == pytest.approx(p50, rel=0.03)
    assert found.slices[1].latency_ms > found.slices[0].latency_ms


def test_who_was_not_waiting_at_a_socket_has_its_turn_from_when_it_was_received(tmp_path: Path) -> None:
    make_run(tmp_path, PLAN)
    _stamp(tmp_path, "shortpoll", writing=False)
    (found,) = study(tmp_path).budgets
    median = found.slices[0]
    assert median.step_ms["wait for the write"] == 0
    assert median.step_ms["its turn"] == max(median.step_ms.values())


def test_a_stamp_behind_the_kernel_s_gives_way_to_it(tmp_path: Path) -> None:
    make_run(tmp_path, PLAN)
    _stamp(tmp_path, "websocket", offset_us=60_000)
    (found,) = study(tmp_path).budgets
    for part in found.slices:
        assert min(part.step_ms.values()) >= 0
        assert part.step_ms["its turn"] == 0


def test_a_run_without_stamps_has_no_budget_and_no_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path, PLAN)
    draw_only(monkeypatch, "budget")
    found = study(tmp_path)
    assert found.budgets == ()
    assert sentences.budgets(found) == ""
    assert "Where the time goes" not in page.write(tmp_path, found).read_text(encoding="utf-8")


def test_the_report_draws_and_words_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path, PLAN)
    draw_only(monkeypatch, "budget")
    _stamp(tmp_path, "websocket")
    text = page.write(tmp_path).read_text(encoding="utf-8")
    assert "Where the time goes" in text
    assert "The longest step of a median delivery: its turn over WebSocket" in text
    assert (tmp_path / "charts" / "budget.svg").is_file()
