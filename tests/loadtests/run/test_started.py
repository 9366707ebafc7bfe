"""Servers that the lab starts as an adapter says: ready, watched, ended with all that they started; what goes wrong."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec
import psutil
import pytest

from loadtests.load.clients.base import parse_endpoint
from loadtests.records.adapter import Adapter, find
from loadtests.records.cell_spec import Workers
from loadtests.records.errors import ServerError
from loadtests.records.link_spec import Link
from loadtests.records.own_server import FILE, ServerCommand
from loadtests.run import keeper, quota, started, workers
from loadtests.run.foreign import Foreign, ForeignServer
from loadtests.run.links import route as routes
from loadtests.run.links.route import LOOPBACK_ROUTE
from loadtests.run.process import available_cores
from loadtests.run.servers import free_port, listens

STAND_IN = str(Path(__file__).with_name("started_stand_in.py"))
Open = Callable[..., ForeignServer]


def adapter(*words: str, **changed: object) -> Adapter:
    """Return an adapter whose server is the stand-in with these words."""
    fields = {"ready": "GET /health", "cwd": str(Path.cwd()), "command": (sys.executable, STAND_IN, "{port}", *words)}
    kept = {name: changed.pop(name) for name in tuple(changed) if name in ServerCommand.__struct_fields__}
    server = ServerCommand(**(fields | kept))  # type: ignore[arg-type]
    return msgspec.structs.replace(find("nchan-sse")[0], name="mine", server=server, **changed)


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def made(by: Adapter, port: int = 0, cores: frozenset[int] = frozenset()) -> ForeignServer:
        at = Foreign("127.0.0.1", parse_endpoint(by.target).port if by.target else 0, by)
        log, folder = tmp_path / "server-mine.log", tmp_path / "folder"
        return started.opened(
            at, at.port or port or free_port(), LOOPBACK_ROUTE, log=log, folder=folder, on_cores=cores
        )

    return made


def nothing() -> None:
    pass


def watch(server: ForeignServer, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        server.check_alive()


def test_it_is_ready_once_it_answers_watched_and_ended_with_its_children(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTLAB_MINE", "kept from it")
    cores = frozenset(sorted(available_cores())[:1])
    with opened(adapter("leave", env={"MINE": "{port}"}), cores=cores) as server:
        server.wait_ready(nothing)
        said = (tmp_path / "server-mine.log").read_text().split()
        child = int(said[1])
        assert said[2:6] == ["mine", str(server.port), "lab", "None"]
        assert child in server.processes()
        assert len(server.processes()) == 2
        assert (server.url, server.remarks()) == (f"http://127.0.0.1:{server.port}", ())
        if cores:
            assert set(psutil.Process(child).cpu_affinity()) == cores
    assert not any(psutil.pid_exists(pid) for pid in server.processes())


@pytest.mark.skipif(bool(quota.why_not()), reason="no process can be held to a share here")
def test_it_is_held_to_a_share_of_a_core(tmp_path: Path) -> None:
    at, log, folder = Foreign("127.0.0.1", 0, adapter()), tmp_path / "log", tmp_path / "folder"
    with started.opened(
        at, free_port(), LOOPBACK_ROUTE, log=log, folder=folder, on_cores=frozenset(), cpu_percent=20
    ) as server:
        server.wait_ready(nothing)
        (pid,) = server.processes()
        assert f"rtlab-held-{os.getpid()}-" in Path(f"/proc/{pid}/cgroup").read_text()


def test_without_a_path_it_is_ready_once_it_listens(opened: Open) -> None:
    with opened(adapter(ready="")) as server:
        server.wait_ready(nothing)
        assert len(server.processes()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("crash",), r"the server of mine ended before it was ready, exit code 1: Error: no such flag \(server-"),
        (("busy",), "the server of mine was not ready within 0.5 s: GET /health is answered 503"),
        (("silent",), r"was not ready within 0.5 s: GET /health at http://127\.0\.0\.1:\d+: .*; it printed nothing"),
    ],
)
def test_one_that_does_not_get_ready_is_said_with_the_end_of_its_output(
    opened: Open, words: tuple[str, ...], said: str
) -> None:
    with opened(adapter(*words)) as server:
        if words == ("busy",):
            assert listens(server.port, 20.0, lambda: False)
        with pytest.raises(ServerError, match=said):
            server.wait_ready(nothing, timeout_s=20.0 if words == ("crash",) else 0.5)


def test_one_that_leaves_the_foreground_is_said(opened: Open) -> None:
    leaving = adapter(command=(sys.executable, "-c", "'{port}'"))
    with (
        opened(leaving) as server,
        pytest.raises(ServerError, match=r"exit code 0 \(it has to stay in the foreground\)"),
    ):
        server.wait_ready(nothing)


DAEMON = """
import os, sys, time
from pathlib import Path
if not os.fork():
    os.setsid()
    if not os.fork():
        Path(sys.argv[1]).write_text(str(os.getpid()))
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"], {})
    os._exit(0)
while not Path(sys.argv[1]).exists() or not Path(sys.argv[1]).read_text():
    time.sleep(0.01)
if "stay" in sys.argv:
    print("{port}", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process adopts daemons")
def test_a_daemon_with_nothing_of_its_starter_s_is_ended(opened: Open, tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    with (
        opened(adapter(command=(sys.executable, "-c", DAEMON, str(noted), "{port}"))) as server,
        pytest.raises(ServerError, match="it has to stay in the foreground"),
    ):
        server.wait_ready(nothing)
    assert not psutil.pid_exists(int(noted.read_text()))


LAB = """
import sys, time
from pathlib import Path
from tests.loadtests.run.test_started import adapter
from loadtests.run import started
from loadtests.run.foreign import Foreign
from loadtests.run.links.route import LOOPBACK_ROUTE
command = (sys.executable, "-c", {daemon!r}, {noted!r}, "stay", "{{port}}")
log, folder = Path({log!r}), Path({folder!r})
at = Foreign("127.0.0.1", 0, adapter(command=command))
server = started.opened(at, 9, LOOPBACK_ROUTE, log=log, folder=folder, on_cores=frozenset())
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there the kernel tells the server's keeper")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_lab_that_is_killed_leaves_no_daemon(number: signal.Signals, tmp_path: Path) -> None:
    noted, log = tmp_path / "pid", tmp_path / "log"
    script = LAB.format(daemon=DAEMON, noted=str(noted), log=str(log), folder=str(tmp_path / "folder"))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as lab:
        assert lab.stdout is not None
        lab.stdout.readline()
        deadline_s = time.monotonic() + 20.0
        while not log.read_text() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        lab.send_signal(number)
        lab.wait(20.0)
    daemon = int(noted.read_text())
    while psutil.pid_exists(daemon) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not psutil.pid_exists(daemon)


def test_what_the_server_left_is_ended_also_beside_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def kill(pid: int, number: int) -> None:
        if pid in (1, 2):
            raise (ProcessLookupError, PermissionError)[pid - 1]
        sent.append(number)

    monkeypatch.setattr(os, "kill", kill)
    keeper._send((1, 2, 3), signal.SIGTERM)
    assert sent == [signal.SIGTERM, signal.SIGCONT]


def test_one_that_ends_while_it_is_measured_is_said(opened: Open) -> None:
    with opened(adapter()) as server:
        server.wait_ready(nothing)
        os.kill(server.processes()[0], signal.SIGKILL)
        with pytest.raises(ServerError, match="the server of mine ended while it was measured, exit code -9"):
            watch(server, 5.0)


def test_a_port_of_its_own_must_be_free(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        target = f"http://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ServerError, match=re.escape(f"something listens at {target} already: end it")):
            opened(adapter(target=target, command=(sys.executable, STAND_IN, target.rpartition(":")[2])))


def test_a_port_of_its_own_must_be_free_also_where_workers_from_elsewhere_come(tmp_path: Path) -> None:
    route = workers.route_for(Workers(here=1, elsewhere=1, bind_host="127.0.0.1"))
    log, folder = tmp_path / "log", tmp_path / "folder"
    with socket.create_server(("127.0.0.1", 0)) as other:
        at = Foreign("127.0.0.1", other.getsockname()[1], adapter())
        with pytest.raises(ServerError, match="something listens at"):
            started.opened(at, at.port, route, log=log, folder=folder, on_cores=frozenset())


def test_a_free_port_that_somebody_took_is_known(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, opened(adapter(), other.getsockname()[1]) as server:
        with pytest.raises(ServerError, match="Address already in use"):
            server.wait_ready(other.close)
        assert server.port_was_taken()


def test_its_processes_may_be_those_of_a_pid_file(opened: Open, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with opened(adapter(pids=f"{FILE}{pid_file}")) as server:
        pid_file.write_text(f"{os.getppid()}\n")
        server.wait_ready(nothing)
        assert os.getppid() in server.processes()
        pid_file.write_text("soon")
        with pytest.raises(ServerError, match="pids of the adapter mine: invalid literal"):
            server.remarks()


def test_over_a_link_it_is_reached_both_ways_and_taken_for_no_proxy(tmp_path: Path) -> None:
    port, by = free_port(), adapter(env={"HOST": "{host}"})
    with (
        routes.opened(Link(rtt_ms=2.0), port, seed=1) as route,
        started.opened(
            Foreign("127.0.0.1", 0, by), port, route, log=tmp_path / "log", folder=tmp_path / "f", on_cores=frozenset()
        ) as server,
        ExitStack() as stack,
    ):
        server.wait_ready(nothing)
        assert server.near_url == f"http://{route.near}:{port}"
        assert (server.url != server.near_url) == (route.far is not None)
        far = parse_endpoint(server.url)
        for _ in range(5):
            stack.enter_context(socket.create_connection((far.host, far.port), 5))
        server.all_connected(5)
        assert not server.forwards
