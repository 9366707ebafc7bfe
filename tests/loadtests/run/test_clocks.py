"""Four workers, two of them in network and time namespaces of their own, as on other machines. Needs root.

The offsets and the drift of their clocks are found. Then one of them is killed in a cell.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from loadtests.records import store
from loadtests.records.errors import LinkError
from loadtests.records.schema import ABSENT_NS, Run, Validity
from loadtests.run.links.namespace import Namespace
from loadtests.run.servers import free_port
from tests.loadtests.cli.once import RTLAB

SCENARIO = """
name = "clocks"
about = "a publisher and two subscribers of each worker, on three clocks"
transports = ["websocket"]
blocks = 2
warm_up_s = 0.5
measured_s = 3.0
grace_s = 2.0
[[cells]]
load = { name = "8x15", subscribers = 8, rate_per_s = 15.0, publishers = 4 }
"""
AHEAD_S, BEHIND_S, DRIFT_PPM = 5000, -100, 200.0
DRIFTING = Path(__file__).with_name("drifting_locustfile.py")
OPEN = 4  # a worker's connections: two subscribers, a publisher, and to the master
ESTABLISHED = "01"  # in /proc/PID/net/tcp
WARM_S = 1.0  # from connected to measured, and a little more
LIMIT_S = 90


def _worker(space: Namespace, master: str, port: int, ahead_s: int, locustfile: Path) -> subprocess.Popen[bytes]:
    clock = ("unshare", "--kill-child", "--time", "--monotonic", str(ahead_s))
    locust = (sys.executable, "-m", "locust", "-f", str(locustfile), "--worker", "--master-host", master)
    environment = os.environ | {"RTLAB_TEST_DRIFT_PPM": str(DRIFT_PPM)}
    return subprocess.Popen((*space.prefix, *clock, *locust, "--master-port", str(port)), env=environment)


@dataclass(frozen=True)
class Measured:
    """The run, and what there was to see of it."""

    folder: Path
    run: Run
    said: str
    code: int
    left: list[psutil.Process]  # of the lab's processes, after its end
    stayed: bool  # whether the worker that was not killed did
    took_s: float


@pytest.fixture(scope="module")
def spaces() -> Iterator[tuple[Namespace, Namespace]]:
    """Two network namespaces, the second of which reaches this side's address of the first."""
    with ExitStack() as stack:
        try:
            near, far = (stack.enter_context(Namespace()) for _ in range(2))
            far.inside("ip", "route", "add", f"198.18.{near.number}.1", "via", f"198.18.{far.number}.1")
            near.inside("unshare", "--time", "--monotonic", str(BEHIND_S), "true")
        except LinkError as error:
            pytest.skip(f"NOT TESTED: workers on other machines need network and time namespaces, as root: {error}")
        yield near, far


@pytest.fixture(scope="module")
def measured(spaces: tuple[Namespace, Namespace], tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Two cells with all four workers; in the second the one whose clock drifts is killed."""
    out = tmp_path_factory.mktemp("clocks")
    (out / "clocks.toml").write_text(SCENARIO)
    near, far = spaces
    master, port = f"198.18.{near.number}.1", free_port()
    command = [*RTLAB, "run", str(out / "clocks.toml"), "--out", str(out)]
    command += ["--generators", "2+2", "--sync-clocks"]
    command += ["--master-bind-host", master, "--master-bind-port", str(port)]
    began_s = time.monotonic()
    stays = _worker(near, master, port, AHEAD_S, Path("loadtests/locustfile.py"))
    killed = _worker(far, master, port, BEHIND_S, DRIFTING)
    workers = [stays, killed]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as lab:
        try:
            _wait_until(lambda: any(store.load(folder).cells for folder in store.listed(out)))
            _wait_until(lambda: _connections(killed.pid) == OPEN)
            everybody = psutil.Process(lab.pid).children(recursive=True)
            time.sleep(WARM_S)
            killed.kill()  # its own child goes with it
            said, _ = lab.communicate(timeout=LIMIT_S)
        finally:
            lab.kill()
            stayed = stays.poll() is None
            for worker in workers:
                worker.kill()
                worker.wait(10)
    (folder,) = store.listed(out)
    left = [each for each in everybody if each.is_running()]
    return Measured(folder, store.load(folder), said, lab.returncode, left, stayed, time.monotonic() - began_s)


def _wait_until(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < until_s, f"not within {LIMIT_S} s"
        time.sleep(0.05)


def _connections(pid: int) -> int:
    """Return how many connections are open in the network namespace of a process."""
    _, *rows = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()
    return sum(row.split()[3] == ESTABLISHED for row in rows)


def test_offsets_and_drift_are_found_and_one_way_latencies_are_right(measured: Measured) -> None:
    assert "warning: Locust does not authenticate workers" in measured.said
    cell, *_ = measured.run.cells
    assert cell.counts is not None, cell.verdict
    assert cell.counts.received == cell.counts.expected == 8 * cell.counts.published
    # What is due at the very bounds of the phase falls to either side of them, by what its clock's offset is off.
    assert abs(cell.counts.published - 45) <= 1
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
    gained_ms = DRIFT_PPM * measured.took_s / 1e3
    assert -gained_ms - behind.uncertainty_ms <= behind.offset_ms + 1e3 * BEHIND_S <= behind.uncertainty_ms
    unsure_ms = cell.instrument.clock_uncertainty_ms
    assert unsure_ms == pytest.approx(ahead.uncertainty_ms + behind.uncertainty_ms)
    samples = pq.read_table(measured.folder / "samples.parquet")
    received, sent, scheduled = (samples[name].to_numpy() for name in ("kernel_rx_ns", "sent_ns", "scheduled_ns"))
    assert (scheduled != ABSENT_NS).all()
    transit_ms = (received - sent) / 1e6
    own = (samples["subscriber"].to_numpy() % 4) == ((8 + samples["publisher"].to_numpy()) % 4)
    assert own.mean() == pytest.approx(1 / 4)
    assert (transit_ms[own] > 0).all(), "one clock, both ways"
    worst_ms = cell.instrument.clock_uncertainty_ms or 0.0
    assert transit_ms[~own].min() > -worst_ms
    assert abs(np.median(transit_ms[~own]) - np.median(transit_ms[own])) < worst_ms + np.ptp(transit_ms[own])


def test_a_worker_elsewhere_that_is_killed_is_named_and_the_run_ends_with_a_report(measured: Measured) -> None:
    assert measured.code == 4, measured.said
    whole, hit = measured.run.cells
    assert whole.counts is not None
    assert (hit.verdict.validity, hit.counts, hit.failed) == (Validity.INVALID, None, "generator")
    (reason,) = hit.verdict.reasons
    assert re.search(rf"worker [23] \({re.escape(platform.node())}\) was lost: ", reason)
    assert reason in measured.said
    assert measured.run.complete, measured.run.note
    assert (measured.folder / "report.html").is_file()
    assert measured.stayed, "the others wait for the next run"
    assert measured.left == []
