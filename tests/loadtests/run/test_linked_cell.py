"""One real cell over a link, by whatever mechanism this machine has: its latency, and what the run records of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from loadtests.records.cell_spec import Load
from loadtests.run import experiment, targets
from loadtests.run.experiment import Experiment
from loadtests.run.links import route
from loadtests.run.scenario import CellPlan, Scenario
from loadtests.run.servers import ServerSettings
from tests.loadtests.cli.test_cli import rtlab
from tests.loadtests.run.test_experiment import Quiet

RTT_MS = 60.0
CELL = CellPlan(
    load=Load(name="4x20", subscribers=4, rate_per_s=20.0, poll_interval_s=0.2),
    link=f"rtt={RTT_MS:g}ms",
    measured_s=1.0,
)


def test_over_a_link_deliveries_take_its_transit_and_the_run_tells_how_it_was_made(tmp_path: Path) -> None:
    made = Experiment(
        scenario=Scenario(name="linked", about="", cells=(CELL,), blocks=1, warm_up_s=0.2),
        targets=targets.select(["websocket", "longpoll"]),
        seed=7,
        runs_folder=tmp_path,
        bench=experiment.bench_of(ServerSettings()),
        passes=0,
    )

    outcome = experiment.conduct(made, lambda _: Quiet())

    samples = pq.read_table(outcome.folder / "samples.parquet").to_pandas()
    latency_ms = (samples["kernel_rx_ns"] - samples["scheduled_ns"]) / 1e6
    for cell in outcome.run.cells:
        assert cell.link == "rtt=60ms"
        assert cell.link_check is not None, cell.verdict
        assert cell.link_check.mechanism == route.best()[0]
        assert cell.link_check.rtt_ms_min is not None
        assert cell.link_check.rtt_ms_min >= RTT_MS
        assert cell.counts is not None
        assert (cell.counts.lost, cell.counts.duplicates, cell.counts.out_of_order) == (0, 0, 0)
        own_ms = latency_ms[samples["cell"] == cell.id]
        # The publisher stands beside the server: one transit, not two, is the least that a delivery takes.
        assert own_ms.min() >= RTT_MS / 2
        assert np.percentile(own_ms, 10) < 2 * RTT_MS


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("5g", "link '5g': there is no '5g'; allowed: rtt=50ms"),
        ("rtt=50", "rtt is '50'"),
        ("rtt=5ms,jitter=9ms", "jitter is more than rtt"),
    ],
)
def test_a_bad_link_is_said_before_anything_is_measured(
    link: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rtlab("run", "echo", "--link", link, "--out", str(tmp_path / "runs")) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_loss_is_refused_where_only_a_relay_can_be_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "best", lambda: ("relay", "no tun: not root"))

    assert rtlab("run", "echo", "--link", "rtt=5ms,loss=1%", "--out", str(tmp_path / "runs")) == 1
    assert "loss needs network namespaces, that is root on Linux with iproute2 (here: no tun: not root)" in (
        capsys.readouterr().err
    )
