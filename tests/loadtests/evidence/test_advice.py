"""A check measures the load that was asked about, and says by how much advice was off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from loadtests.evidence import advice
from loadtests.records import advised, facts
from loadtests.records.advised import Checked, Compared
from loadtests.records.cell_spec import CHAT
from loadtests.records.errors import LabError
from loadtests.report.advise import cases, points
from loadtests.report.advise.advice import Basis
from loadtests.report.study import Study, study
from loadtests.report.verdicts.evidence import Evidence
from tests.loadtests.report import synthetic
from tests.loadtests.report.advise import planted

TEAM = next(example for example in cases.load() if example.name == "team")


def row(**changes: float) -> Compared:
    plain = Compared(
        case="team", transport="websocket", figure="p50", unit="ms", advised=10.0, how="modelled", measured=10.0,
        low=9.0, high=11.0, tolerance=0.2, run_id="run",
    )  # fmt: skip
    return Compared(**{**{name: getattr(plain, name) for name in plain.__struct_fields__}, **changes})


def test_a_figure_holds_within_its_tolerance_and_a_narrow_interval() -> None:
    assert row().holds
    assert row(advised=11.9).holds
    assert not row(advised=12.1).holds
    assert not row(advised=7.9).holds
    assert not row(low=6.9).holds, "an interval of 40 % of the figure decides, a wider one does not"
    assert "DECIDES NOTHING, AN INTERVAL OF 41%" in advice.line(row(low=6.9))
    assert "DOES NOT HOLD" in advice.line(row(advised=20.0))
    assert "off by +100%" in advice.line(row(advised=20.0))


def test_the_scenario_is_the_cases_very_load() -> None:
    scenario = advice.scenario_of(TEAM)
    (cell,) = scenario.cells
    case, _ = TEAM.asked
    load = cell.load
    assert (load.subscribers, load.rooms, load.rate_per_s) == (case.subscribers, case.rooms, case.rate_per_s)
    assert (load.payload_bytes, load.direction, cell.link) == (case.payload_bytes, CHAT, case.link)
    assert scenario.transports == (TEAM.check,)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    truths = {"websocket": synthetic.TRUTHS["websocket"]}
    synthetic.make_run(folder, synthetic.Plan(truths=truths, loads=(("50x10", 50, 10.0),), fan_out=(), measured_s=2.0))
    return study(folder)


@pytest.fixture(scope="module")
def found() -> Basis:
    return planted.basis(Evidence(study=cast(Study, None), support=facts.load()))


def test_what_was_advised_stands_beside_what_was_measured(measured: Study, found: Basis) -> None:
    p50, cpu = advice.compared(TEAM, found, measured)
    assert (p50.figure, p50.run_id) == ("p50", measured.run.run_id)
    assert p50.measured == measured.results[0].percentiles.p50_ms
    assert p50.advised == pytest.approx(80.6, rel=0.02)
    assert cpu.measured == pytest.approx(30, rel=0.2)
    assert 10 < cpu.advised < 100
    assert cpu.low < cpu.measured < cpu.high


def test_without_advice_there_is_nothing_to_check(measured: Study, found: Basis) -> None:
    bare = {"websocket": replace(found.costings["websocket"], p50=None)}
    with pytest.raises(LabError, match="team: p50"):
        list(advice.compared(TEAM, replace(found, costings=bare), measured))


def test_what_was_found_is_written_and_read_again(tmp_path: Path) -> None:
    checked = Checked("basis", "abc", (row(),))
    advised.write(tmp_path, checked)
    assert advised.read(tmp_path) == checked
    assert advised.read(tmp_path / "elsewhere") is None


def test_points_of_runs_are_collected_with_their_run(measured: Study, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = synthetic.make_run(folder, synthetic.Plan(truths={"sse": synthetic.TRUTHS["sse"]}, blocks=1, measured_s=1.0))
    assert advice.main([str(folder), "--out", str(tmp_path / points.FILE)]) == 0
    collected = list(points.further(tmp_path / points.FILE))
    assert collected
    assert {point.run_id for point in collected} == {run.run_id}
    assert advice.main([str(tmp_path / "nowhere"), "--out", str(tmp_path / points.FILE)]) == 1
