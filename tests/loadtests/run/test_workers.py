"""Several Locust workers for one cell: what may be asked for, exact counts, a late worker, and one that dies."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.trial import describe_cell, fault_server, run_generator
from loadtests.load.users.cable import planned_cuts
from loadtests.records import store
from loadtests.records.adapter import find
from loadtests.records.cell_spec import GeneratorResult, Load, Workers
from loadtests.records.disruption import Disruption
from loadtests.records.errors import UsageError
from loadtests.records.own_server import ServerCommand
from loadtests.records.schema import PUBLISHES, SAMPLES, Instrument, Validity, Verdict
from loadtests.run import outcome, workers
from loadtests.run.foreign import Foreign
from loadtests.run.scenario import CellPlan, Scenario
from tests.loadtests.cli.once import RTLAB

HEALTHY = Instrument("kernel", 0.1, 0.0, 0.1, 0.1, 5.0, None)
CUTS = Disruption(up_s=0.7, offline_s=0.1)
SCENARIO = """
name = "two"
about = "two cells, the first of which loses a worker"
transports = ["websocket", "sse"]
blocks = 1
warm_up_s = 0.2
measured_s = 2.0
[[cells]]
load = { name = "4x5", subscribers = 4, rate_per_s = 5.0 }
"""


def test_two_workers_receive_what_one_generator_would_and_cut_whom_it_would(tmp_path: Path) -> None:
    load = Load(name="7x20", subscribers=7, rate_per_s=20.0, rooms=2, publishers=2)
    with fault_server(Faults()) as port:
        spec = describe_cell("WebSocketUser", port, load, warm_up_s=0.2, measured_s=1.0)
        spec = msgspec.structs.replace(spec, disrupt=CUTS)
        trial = run_generator(spec, tmp_path, module=workers.module_of(Workers(here=2)))
    assert trial.exit_code == 0
    heard = [line.event for line in trial.progress if line.event != "second"]
    assert heard == ["connecting", "connected", "measuring", "over", "done"]
    assert len(trial.publishes["message"]) == 2 * 20
    assert len(trial.samples["message"]) == 20 * 4 + 20 * 3, "the rooms have four and three subscribers"
    assert np.unique(trial.samples["subscriber"]).tolist() == list(range(7))
    first, second = trial.result.workers
    assert (first.worker, second.worker) == ("worker 0", "worker 1")
    assert first.measured_from_ns == second.measured_from_ns == trial.result.measured_from_ns, "one schedule"
    assert (first.subscribers_connected, second.subscribers_connected) == (4, 3)
    assert trial.result.subscribers_connected == len(trial.result.connect_ms) == 7
    assert trial.result.cpu_s == first.cpu_s + second.cpu_s
    # User 7 is publisher 0: of eleven users, the second worker has 1, 3, 5, 7 and 9.
    publisher = trial.publishes["publisher"]
    own = [workers.part_of(_read(tmp_path, "publishes"), load, number, 2)["publisher"].to_pylist() for number in (0, 1)]
    assert [sorted(set(each)) for each in own] == [[1, 3], [0, 2]]
    assert sorted(set(publisher.tolist())) == [0, 1, 2, 3]
    window = trial.result.measured_from_ns - 200_000_000, trial.result.measured_to_ns
    planned = [n for n in range(7) for _ in planned_cuts(CUTS, n, str(spec.seed), *window)]
    assert sorted(_read(tmp_path, "outages")["subscriber"].to_pylist()) == planned


def _read(folder: Path, table: str) -> pa.Table:
    return pq.read_table(folder / f"{table}.parquet")


def test_a_worker_that_dies_makes_the_cell_invalid_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(SCENARIO)
    command = (*RTLAB, "run", str(tmp_path / "two.toml"), "--generators", "2")
    lab = subprocess.Popen(
        (*command, "--out", str(tmp_path)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    pids: list[int] = []
    try:
        ours = _when_measuring(lab.pid)
        pids = [each.pid for each in ours]
        os.kill(ours[-1].pid, signal.SIGKILL)  # its youngest: a worker
        said, _ = lab.communicate(timeout=120)
    finally:
        lab.kill()
    assert lab.returncode == 4, said
    assert "was ended by SIGKILL" in said
    (run,) = (store.load(folder) for folder in tmp_path.glob("*-two-*"))
    hit, left_alone = run.cells
    assert hit.verdict.validity is Validity.INVALID
    assert re.search(r"worker [01] was ended by SIGKILL", hit.verdict.reasons[0])
    assert left_alone.counts is not None
    assert left_alone.counts.received == 4 * left_alone.counts.published == 4 * 10
    assert not [pid for pid in pids if psutil.pid_exists(pid)], "nothing is left behind"


def _when_measuring(lab: int) -> list[psutil.Process]:
    """Wait until the lab's generator has both workers and they have opened connections; return all its processes."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        everybody = psutil.Process(lab).children(recursive=True)
        for process in everybody:
            with suppress(psutil.NoSuchProcess):
                workers_of = process.children()
                if len(workers_of) == 2 and all(len(each.net_connections()) > 2 for each in workers_of):
                    return [*everybody, *workers_of]
        time.sleep(0.05)
    raise AssertionError("the workers did not connect")


def test_workers_share_the_cores_of_the_machine_that_they_are_on() -> None:
    second_s = 1_000_000_000
    parts = tuple(
        GeneratorResult(
            cell="c", clock="kernel", subscribers_connected=1, measured_from_ns=0, measured_to_ns=second_s,
            connect_ms=(), sockets=None, seconds=(), hub_lag_ms_p99=None, cpu_s=cpu_s, refused=0, told_gaps=0,
            reconnects=0, worker=f"worker {number}", elsewhere=number > 1,
        )
        for number, cpu_s in enumerate([0.25, 0.25, 0.1, 0.5])
    )  # fmt: skip
    whole = msgspec.structs.replace(parts[0], workers=parts)
    left = outcome.CellOutcome(whole, (), {}, outcome.Memory(0, None), None, None, generator_cores=1)
    load = Load(name="4x1", subscribers=4, rate_per_s=1.0)
    found = outcome._health(load, left, SAMPLES.empty_table(), PUBLISHES.empty_table())
    assert [each.cpu_percent for each in found.values()] == [50.0, 50.0, 10.0, 50.0]


def test_a_late_worker_is_named_and_what_all_share_is_said_once() -> None:
    late = msgspec.structs.replace(HEALTHY, hub_lag_ms_p99=3.0)

    def judge(each: Instrument | None) -> Verdict:
        reasons = ["1 lost", *(["other programs"] if each else []), *(["late"] if each == late else [])]
        return Verdict(Validity.INVALID if each == late else Validity.DOUBTFUL, tuple(reasons))

    found = workers.judge_each(judge, {"worker 0": HEALTHY, "worker 1": late})
    assert found == Verdict(Validity.INVALID, ("1 lost", "other programs", "worker 1: late"))
    assert workers.judge_each(judge, {"": late}).reasons == ("1 lost", "other programs", "late"), "one has no name"
    assert workers.worst([HEALTHY, late]) == late


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("0", None, None), "--generators 0: N or N"),
        (("two", None, None), "--generators two: N or N"),
        (("65", None, None), "1 to 64 in all"),
        (("2", "10.0.0.1", None), "for workers from elsewhere"),
        (("1+1", "0.0.0.0", None), "give the address by which workers reach this machine"),
        (("1+1", "0", None), "give the address by which workers reach this machine"),
        (("1+1", None, 70000), "--master-bind-port 70000"),
    ],
)
def test_what_cannot_be_had_is_refused(asked: tuple[str, str | None, int | None], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        workers.asked(*asked)


def test_where_the_master_cannot_listen_is_said_at_the_door() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--master-bind-port {port}: Address already in use; give an address"):
            workers.require_bindable(Workers(here=0, elsewhere=1, port=port))
    workers.require_bindable(Workers(here=0, elsewhere=1, port=port))
    with pytest.raises(UsageError, match=r"--master-bind-host 192\.0\.2\.1, .*: Cannot assign requested address"):
        workers.require_bindable(Workers(here=0, elsewhere=1, bind_host="192.0.2.1", port=port))


def test_clocks_are_synchronised_with_workers_from_elsewhere_only() -> None:
    with pytest.raises(UsageError, match="--sync-clocks are for workers from elsewhere"):
        workers.asked("2", None, None, sync_clocks=True)


@pytest.mark.parametrize(
    ("bind_host", "host", "publish", "said"),
    [
        ("10.0.0.1", "127.0.0.1", "", "nchan-sse's server is at http://127.0.0.1:9000, and workers from elsewhere"),
        ("10.0.0.1", "0.0.0.0", "", "nchan-sse's server is at"),
        ("10.0.0.1", "::1", "", "nchan-sse's server is at"),
        ("10.0.0.1", "::ffff:127.0.0.1", "", "nchan-sse's server is at"),
        ("10.0.0.1", "10.0.0.1", "", ""),
        ("10.0.0.1", "10.0.0.1", "http://10.0.0.2:1", ""),
        (
            "10.0.0.1",
            "10.0.0.1",
            "http://localhost:9001",
            "nchan-sse's publish.target is at http://localhost:9001, and",
        ),
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:9001", ""),
    ],
)
def test_what_is_addressed_has_to_be_where_workers_from_elsewhere_reach_it(
    bind_host: str, host: str, publish: str, said: str
) -> None:
    adapter = find("nchan-sse")[0]
    adapter = msgspec.structs.replace(adapter, publish=msgspec.structs.replace(adapter.publish, target=publish))
    asked = Workers(here=1, elsewhere=1, bind_host=bind_host)
    with pytest.raises(UsageError, match=said) if said else nullcontext():
        workers.require_reachable(asked, [Foreign(host, 9000, adapter)])


def test_where_a_server_that_the_lab_starts_is_published_on_has_to_be_reached_too() -> None:
    adapter = msgspec.structs.replace(find("nchan-sse")[0], server=ServerCommand(command=("mine", "{host}", "{port}")))
    asked = Workers(here=1, elsewhere=1, bind_host="10.0.0.1")
    workers.require_reachable(asked, [Foreign("127.0.0.1", 0, adapter)])  # it listens where workers reach the master
    publish = msgspec.structs.replace(adapter.publish, target="http://127.0.0.1:9001")
    adapter = msgspec.structs.replace(adapter, publish=publish)
    with pytest.raises(UsageError, match=r"publish\.target is at"):
        workers.require_reachable(asked, [Foreign("127.0.0.1", 0, adapter)])


def test_workers_from_elsewhere_are_announced_with_a_warning() -> None:
    assert workers.asked(None, None, None) is workers.asked("1", None, None) is None
    opened = workers.asked("2+1", "10.0.0.1", None)
    assert opened is not None
    shared, waiting, warning = workers.announcement(opened, cores=1)
    assert "2 generators share one core" in shared
    assert waiting.endswith("--worker --master-host 10.0.0.1 --master-port 5557")
    assert "does not authenticate workers: whoever reaches 10.0.0.1:5557" in warning
    few = Scenario(name="few", about="", cells=(CellPlan(load=Load(name="2", subscribers=2, rate_per_s=1.0)),))
    with pytest.raises(UsageError, match=r"3 generators for the 2 subscribers of 2: .* 1 to 2 in all"):
        workers.require_measurable(opened, few)
