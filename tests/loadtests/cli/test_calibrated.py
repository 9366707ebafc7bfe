"""A scenario that is calibrated first and has its servers stamp: both reach the run folder and the report."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from loadtests.report import sentences
from loadtests.report.study import study
from tests.loadtests.cli.once import rtlab_once
from tests.loadtests.cli.test_compare import only_run

SCENARIO = """
name = "stamped"
about = "as little as will do"
calibrate = true
blocks = 1
warm_up_s = 0.2
measured_s = 1.3
grace_s = 0.5

[[cells]]
load = { name = "8x20", subscribers = 8, rate_per_s = 20.0 }

[[cells]]
kind = "budget"
load = { name = "8x20-stamped", subscribers = 8, rate_per_s = 20.0 }
"""


@pytest.mark.alone  # a budget is drawn of cells that are believed
def test_calibration_and_stamps_reach_the_run_and_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "stamped.toml"
    scenario.write_text(SCENARIO)
    runs = tmp_path / "runs"
    code = rtlab_once("run", str(scenario), "--transports", "longpoll", "--out", str(runs))
    said, complained = capsys.readouterr()
    # How healthy the instrument was depends on what else this machine does: an invalid cell is let pass.
    assert code in (0, 4), complained
    assert "calibration: " in said
    folder, run = only_run(runs)
    assert {check.transport for check in run.calibration} == {"longpoll"}
    assert all(check.within for check in run.calibration if not check.unit)
    assert run.manifest["calibration"]["failure"] == "none"
    stamped = {cell.id for cell in run.cells if cell.kind == "budget"}
    assert set(pq.read_table(folder / "stamps.parquet")["cell"].to_pylist()) == stamped
    found = study(folder)
    for budget in found.budgets:
        assert budget.unstamped == 0
        assert budget.slices[0].step_ms["to the server"] > 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Does it find what was planted?" in page
    # An invalid cell of a busy machine has a budget too, of which nothing is said or drawn.
    assert ("Where the time goes" in page) == bool(sentences.budgets(found))
    assert "RTLAB_STAMPS" not in page, "a folder of this machine is nobody's business"
