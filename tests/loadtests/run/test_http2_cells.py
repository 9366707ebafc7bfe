"""HTTP/2 cells against the real servers: pushes and streams are counted and stamped as those of HTTP/1.1 are."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from loadtests.load.clients.sockets import HAS_KERNEL_STAMPS
from loadtests.records.cell_spec import Load
from loadtests.run import experiment, targets
from loadtests.run.cell import Bench
from loadtests.run.experiment import Experiment
from loadtests.run.scenario import CellPlan, Scenario
from loadtests.run.servers import ServerSettings
from tests.loadtests.run.test_experiment import Quiet

LOAD = Load(name="5x60", subscribers=5, rate_per_s=60.0)


@pytest.mark.parametrize(("transport", "fanout"), [("h2push", "direct"), ("h2push", "portable"), ("sse-h2", "")])
def test_nothing_is_lost_and_stamps_are_the_kernels(transport: str, fanout: str, tmp_path: Path) -> None:
    planned = Experiment(
        scenario=Scenario(
            name="http2",
            about="",
            cells=(CellPlan(load=LOAD, fanout=fanout),),
            blocks=1,
            warm_up_s=0.2,
            measured_s=1.0,
            grace_s=1.0,
        ),
        targets=targets.select([transport]),
        seed=1,
        runs_folder=tmp_path,
        bench=Bench(settings=ServerSettings()),
        passes=0,
    )
    outcome = experiment.conduct(planned, lambda cells: Quiet())
    (cell,) = outcome.run.cells
    assert cell.counts is not None, cell.verdict
    assert (cell.counts.published, cell.counts.refused, cell.counts.expected) == (60, 0, 300)
    assert (cell.counts.lost, cell.counts.duplicates, cell.counts.out_of_order) == (0, 0, 0)
    assert (cell.counts.told_gaps, cell.counts.reconnects) == (0, 0)
    assert cell.instrument is not None
    assert cell.instrument.clock == ("kernel" if HAS_KERNEL_STAMPS else "user")
    assert cell.server["tcp_nodelay"] is True
    assert cell.server["sink"] == (fanout or "portable")
    frames = pq.read_table(outcome.folder / "samples.parquet")["wire_bytes"].to_pylist()
    assert cell.costs is not None
    # A TLS record adds 22 bytes to what it holds, and more records more; heartbeats and windows are no delivery's.
    assert min(frames) > LOAD.payload_bytes
    if cell.costs.wire_bytes_down_per_delivery is not None:
        # Bytes are counted between two instants: a message at either may fall on the other side of it.
        inside = 1 - 2 / cell.counts.published
        assert cell.costs.wire_bytes_down_per_delivery > (sum(frames) / len(frames) + 22) * inside
        assert 22 * inside > sum(frames) / len(frames) * (1 - inside), "else records and none would look the same"
