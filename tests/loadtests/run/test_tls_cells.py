"""Cells over TLS against the real servers: all is delivered, stamped by the kernel, and counted with its records."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.load.clients.sockets import HAS_KERNEL_STAMPS
from loadtests.records.cell_spec import Load
from loadtests.run import experiment, targets
from loadtests.run.experiment import Experiment
from loadtests.run.scenario import CellPlan, Scenario
from tests.loadtests.run.test_experiment import Quiet

LOAD = Load(name="5x60", subscribers=5, rate_per_s=60.0)
TLS_LOAD = Load(name="5x60-tls", subscribers=5, rate_per_s=60.0)
RECORD_BYTES = 22  # of TLS 1.3: header, type, tag


@pytest.mark.parametrize("transport", ["websocket", "longpoll"])
def test_tls_adds_a_record_to_each_delivery_and_loses_none(transport: str, tmp_path: Path) -> None:
    cells = (CellPlan(load=LOAD), CellPlan(load=TLS_LOAD, kind="ablation", against="5x60", tls=True))
    planned = Experiment(
        scenario=Scenario(name="tls", about="", cells=cells, blocks=1, warm_up_s=0.2, measured_s=1.0, grace_s=1.0),
        targets=targets.select([transport]),
        seed=1,
        runs_folder=tmp_path,
        passes=0,
    )
    outcome = experiment.conduct(planned, lambda cells: Quiet())
    plain, over_tls = sorted(outcome.run.cells, key=lambda cell: cell.variant)
    assert (plain.variant, over_tls.variant) == ("", "tls")
    for cell in (plain, over_tls):
        assert cell.counts is not None, cell.verdict
        assert (cell.counts.lost, cell.counts.duplicates, cell.counts.out_of_order) == (0, 0, 0)
        assert cell.counts.expected == 300
        assert cell.instrument is not None
        assert cell.instrument.clock == ("kernel" if HAS_KERNEL_STAMPS else "user")
    assert plain.costs is not None
    assert over_tls.costs is not None
    before, after = plain.costs.wire_bytes_down_per_delivery, over_tls.costs.wire_bytes_down_per_delivery
    if transport == "websocket" and before is not None and after is not None:  # a poll's answer may hold several
        assert RECORD_BYTES * 0.9 < after - before < RECORD_BYTES * 1.1
