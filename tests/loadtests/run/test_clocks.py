"""Workers with clocks of their own, in network and time namespaces: their offsets and drift are found. Needs root."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from loadtests.records import store
from loadtests.records.errors import LinkError
from loadtests.records.schema import ABSENT_NS
from loadtests.run.links.namespace import Namespace
from loadtests.run.servers import free_port

SCENARIO = """
name = "clocks"
about = "a publisher and two subscribers on each of three clocks"
transports = ["websocket"]
blocks = 1
warm_up_s = 0.5
measured_s = 3.0
grace_s = 2.0
[[cells]]
load = { name = "6x15", subscribers = 6, rate_per_s = 15.0, publishers = 3 }
"""
AHEAD_S, BEHIND_S, DRIFT_PPM = 5000, -100, 200.0
DRIFTING = Path(__file__).with_name("drifting_locustfile.py")


def _worker(space: Namespace, master: str, port: int, ahead_s: int, locustfile: Path) -> subprocess.Popen[bytes]:
    clock = ("unshare", "--kill-child", "--time", "--monotonic", str(ahead_s))
    locust = (sys.executable, "-m", "locust", "-f", str(locustfile), "--worker", "--master-host", master)
    environment = os.environ | {"RTLAB_TEST_DRIFT_PPM": str(DRIFT_PPM)}
    return subprocess.Popen((*space.prefix, *clock, *locust, "--master-port", str(port)), env=environment)


@pytest.fixture
def spaces() -> Iterator[tuple[Namespace, Namespace]]:
    """Two network namespaces, the second of which reaches this side's address of the first."""
    with ExitStack() as stack:
        try:
            near, far = (stack.enter_context(Namespace()) for _ in range(2))
            far.inside("ip", "route", "add", f"198.18.{near.number}.1", "via", f"198.18.{far.number}.1")
            near.inside("unshare", "--time", "--monotonic", str(BEHIND_S), "true")
        except LinkError as error:
            pytest.skip(f"NOT TESTED: clocks of other machines need network and time namespaces, as root: {error}")
        yield near, far


def test_offsets_and_drift_are_found_and_one_way_latencies_are_right(
    spaces: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    (tmp_path / "clocks.toml").write_text(SCENARIO)
    near, far = spaces
    master, port = f"198.18.{near.number}.1", free_port()
    lab = [sys.executable, "-m", "loadtests.cli", "run", str(tmp_path / "clocks.toml"), "--out", str(tmp_path)]
    lab += ["--generators", "1+2", "--sync-clocks", "--master-bind-host", master, "--master-bind-port", str(port)]
    began_s = time.monotonic()
    workers = [
        _worker(near, master, port, AHEAD_S, Path("loadtests/locustfile.py")),
        _worker(far, master, port, BEHIND_S, DRIFTING),
    ]
    try:
        done = subprocess.run(lab, capture_output=True, text=True, timeout=180, check=False)
    finally:
        for worker in workers:
            worker.kill()  # its own child goes with it
            worker.wait(10)
    assert "warning: Locust does not authenticate workers" in done.stdout
    run = store.load(next(tmp_path.glob("*-clocks-*")))
    assert run.cells, done.stdout + done.stderr
    for cell in run.cells:
        assert cell.counts is not None, cell.verdict
        assert cell.counts.received == cell.counts.expected == 6 * cell.counts.published == 6 * 45
        assert cell.instrument is not None
        assert cell.instrument.strangers == 0
        assert not [reason for reason in cell.verdict.reasons if "clock" in reason]
        ahead, behind = sorted(cell.clocks, key=lambda clock: clock.offset_ms or 0.0)
        assert ahead.offset_ms is not None
        assert behind.offset_ms is not None
        assert ahead.uncertainty_ms is not None
        assert behind.uncertainty_ms is not None
        assert abs(ahead.offset_ms + 1e3 * AHEAD_S) <= ahead.uncertainty_ms
        assert behind.drift_ppm is not None
        assert behind.drift_uncertainty_ppm is not None
        assert abs(behind.drift_ppm + DRIFT_PPM) <= behind.drift_uncertainty_ppm
        gained_ms = DRIFT_PPM * (time.monotonic() - began_s) / 1e3
        assert -gained_ms - behind.uncertainty_ms <= behind.offset_ms + 1e3 * BEHIND_S <= behind.uncertainty_ms
        unsure_ms = cell.instrument.clock_uncertainty_ms
        assert unsure_ms == pytest.approx(ahead.uncertainty_ms + behind.uncertainty_ms)
    samples = pq.read_table(next(tmp_path.glob("*-clocks-*")) / "samples.parquet")
    received, sent, scheduled = (samples[name].to_numpy() for name in ("kernel_rx_ns", "sent_ns", "scheduled_ns"))
    assert (scheduled != ABSENT_NS).all()
    transit_ms = (received - sent) / 1e6
    own = (samples["subscriber"].to_numpy() % 3) == ((6 + samples["publisher"].to_numpy()) % 3)
    assert own.mean() == pytest.approx(1 / 3)
    assert (transit_ms[own] > 0).all(), "one clock, both ways"
    worst_ms = max(cell.instrument.clock_uncertainty_ms or 0.0 for cell in run.cells if cell.instrument)
    assert transit_ms[~own].min() > -worst_ms
    assert abs(np.median(transit_ms[~own]) - np.median(transit_ms[own])) < worst_ms + np.ptp(transit_ms[own])
