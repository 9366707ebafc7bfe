"""Foreign servers that run already: their processes are found, watched and left running; a proxy is known."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from loadtests.records.adapter import find
from loadtests.records.errors import ServerError
from loadtests.records.schema import Validity
from loadtests.run import foreign, plan, procfs, targets
from loadtests.run.cell import spec_of
from loadtests.run.foreign import Foreign, ForeignServer
from loadtests.run.outcome import CellOutcome, Memory, judged
from loadtests.run.sampler import Reading
from tests.loadtests.run import synthetic
from tests.loadtests.run.test_foreign import scenario


@contextmanager
def prefork(*arguments: str) -> Iterator[tuple[Foreign, list[int]]]:
    """Run the stand-in; yield it with the pids that are the server's."""
    command = (sys.executable, str(Path(__file__).with_name("stand_in_prefork.py")), *arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port, *pids = map(int, process.stdout.readline().split())
        yield Foreign(arguments[0], port, find("nchan-sse")[0]), pids
        process.stdin.close()  # all end with it


def connected(server: Foreign, count: int, stack: ExitStack) -> None:
    """Open connections and wait until the server has taken them."""
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection((server.host, server.port), 5))
        assert connection.recv(1) == b"!"


def test_all_that_hold_the_socket_and_their_children_are_watched_and_left_running() -> None:
    with prefork("127.0.0.1", "server") as (here, pids), prefork("127.0.0.2", "server", str(here.port)) as (other, _):
        with ForeignServer(here) as server:
            server.wait_ready(lambda: None)
            server.check_alive()
            assert other.port == here.port
            if sys.platform == "linux":
                assert len(pids) == 3, "parent, worker, and the worker's child, which has no socket"
                assert server.processes() == tuple(sorted(pids))
        socket.create_connection((here.host, here.port), 5).close()


def test_localhost_is_the_address_that_clients_come_to_first() -> None:
    found = procfs.addresses("localhost", 80)
    assert set(found) <= {"::1", "127.0.0.1"}
    with prefork(found[-1], "server") as (here, pids):
        local = dataclasses.replace(here, host="localhost")
        assert local.is_here
        assert set(local.processes()) >= set(pids[:1])


@pytest.mark.skipif(sys.platform != "linux", reason="who holds which socket is read from Linux's /proc")
@pytest.mark.parametrize(("kind", "forwards"), [("server", False), ("proxy", True)])
def test_a_proxy_is_known_by_a_connection_of_its_own_for_each_subscriber(kind: str, forwards: bool) -> None:
    with prefork("127.0.0.1", kind) as (foreign_server, _), ExitStack() as stack:
        server = ForeignServer(foreign_server)
        connected(foreign_server, 5, stack)
        server.all_connected(5)
        assert server.forwards is forwards
        assert server.remarks() == ((foreign.FORWARDS,) if forwards else ())


@pytest.mark.skipif(sys.platform != "linux", reason="who holds which socket is read from Linux's /proc")
def test_workers_that_come_and_go_meanwhile_are_remarked() -> None:
    with prefork("127.0.0.1", "server") as (foreign_server, pids):
        server = ForeignServer(foreign_server)
        assert server.remarks() == ()
        os.kill(pids[-1], signal.SIGKILL)
        deadline_s = time.monotonic() + 10
        while not server.remarks() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert server.remarks() == (foreign.CHANGED,)


def test_what_a_proxy_costs_is_not_given_for_the_servers(tmp_path: Path) -> None:
    planned = plan.draw(scenario(measured_s=1.0), targets.select(["sse"]), seed=1)[0]
    with ForeignServer(Foreign("192.0.2.1", 80, find("nchan-sse")[0])) as server:
        spec = spec_of(planned, server)
    made = synthetic.cell_tables(spec, from_ns=0, to_ns=10**9)
    pq.write_table(made.samples, tmp_path / "samples.parquet")
    pq.write_table(made.publishes, tmp_path / "publishes.parquet")
    readings = tuple(Reading(second * 10**9, second * 10**8, 0) for second in range(3))
    direct = CellOutcome(made.result, readings, {}, Memory(0, 0), None, None)
    through = dataclasses.replace(direct, forwards=True, remarks=(foreign.FORWARDS,))
    cells = [judged(planned, outcome, tmp_path, "")[0] for outcome in (direct, through)]
    assert [cell.costs and cell.costs.server_cpu_us_per_delivery for cell in cells] == [pytest.approx(5000), None]
    assert foreign.FORWARDS not in cells[0].verdict.reasons
    assert foreign.FORWARDS in cells[1].verdict.reasons
    assert cells[1].verdict.validity is not Validity.VALID


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = ForeignServer(Foreign("127.0.0.1", closed.getsockname()[1], find("nchan-sse")[0]))
        with pytest.raises(ServerError, match=r"nothing answers at http://127\.0\.0\.1:"):
            server.wait_ready(lambda: None, timeout_s=0.2)
