"""Subscribers of servers that are not ours are cut: what they lose, or get late, is what the model says."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from loadtests.records.cell_spec import Load
from loadtests.records.disruption import Cuts, Disruption
from loadtests.records.schema import Counts
from loadtests.report import cuts as report
from loadtests.report import study
from loadtests.run import foreign
from loadtests.run.experiment import Experiment, bench_of, conduct
from loadtests.run.foreign import TOKEN_VARIABLE
from loadtests.run.progress import PlainDisplay
from loadtests.run.scenario import CUT, CellPlan, Scenario
from loadtests.run.servers import ServerSettings
from loadtests.run.targets import of_foreign
from tests.standins.test_adapters import TOKENS

CYCLE_MS, OFF_MS = 1000.0, 300.0
# A message every 40 ms; each subscriber is off for 0.3 s of each second.
LOAD = Load(name="cut", subscribers=20, rate_per_s=25.0)
CUTS = Disruption(up_s=0.7, offline_s=0.3)
WITHIN = 0.01 * report.WITHIN_PERCENT


def measured(url: str, adapter: str, folder: Path, *, resume: bool) -> tuple[Counts, Cuts, float]:
    """Measure one cell with cuts; return what it counted, and for how many ms clients were away, on average."""
    (server,) = foreign.selected([url], [adapter])
    cell = CellPlan(load=LOAD, kind=CUT, disrupt=CUTS, resume=resume)
    scenario = Scenario(name="cut", about="", cells=(cell,), blocks=1, warm_up_s=0.5, measured_s=2.0)
    foreign.require_measurable(scenario, [server])
    experiment = Experiment(scenario, [of_foreign(server)], 1, folder, bench_of(ServerSettings()), passes=0)
    done = conduct(experiment, show=lambda planned: PlainDisplay(Console(quiet=True), planned))
    for row in report.rows(study.study(done.folder)):
        assert (row.transport, row.resume) == (adapter, resume)
    away = pq.read_table(done.folder / "outages.parquet")
    away_ms = OFF_MS + pc.mean(pc.subtract(away["back_ns"], away["on_ns"])).as_py() / 1e6
    (found,) = done.run.cells
    assert found.counts is not None
    assert found.cuts is not None
    return found.counts, found.cuts, away_ms


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch, adapter: str) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKENS[adapter] or "unused")


@pytest.mark.parametrize("adapter", ["centrifugo-websocket"])
def test_without_a_resume_the_share_of_the_time_away_is_lost(adapter: str, url: str, tmp_path: Path) -> None:
    counts, cuts, away_ms = measured(url, adapter, tmp_path, resume=False)
    assert (counts.lost - counts.lost_to_cuts, counts.duplicates, counts.out_of_order) == (0, 0, 0)
    assert (counts.reconnects, cuts.away, cuts.replayed) == (0, 0, 0)
    # The model leaves out how long a client takes to be back.
    assert cuts.lost / cuts.due == pytest.approx(away_ms / CYCLE_MS, rel=WITHIN)


@pytest.mark.parametrize("adapter", ["mercure-sse"])
def test_by_the_last_events_id_nothing_is_lost_and_that_share_is_late(adapter: str, url: str, tmp_path: Path) -> None:
    counts, cuts, away_ms = measured(url, adapter, tmp_path, resume=True)
    assert (counts.lost, counts.duplicates, counts.out_of_order, counts.reconnects) == (0, 0, 0, 0)
    assert cuts.replayed / cuts.due == pytest.approx(away_ms / CYCLE_MS, rel=2 * WITHIN)
    assert OFF_MS / 2 * 0.8 < cuts.replay_ms["p50"] < away_ms
