"""Servers that are not ours, for real: Debian's nchan over its three transports, and a chat server by a file.

How healthy the instrument was depends on what else this machine does, so an invalid cell (exit code 4) is let pass
here; what was delivered does not, and is asserted.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.auth import sign
from loadtests.records import adapter, store
from loadtests.records.schema import Cell, Run
from loadtests.run.servers import free_port
from tests.conftest import missing
from tests.loadtests.cli.once import rtlab_once

NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
SECRET = "a-secret-of-this-test-alone-0123456789"

TINY = """
name = "tiny"
about = "as little as will do"
blocks = 1
warm_up_s = 0.3
measured_s = 1.0
grace_s = 0.5
[[cells]]
load = { name = "6x10", subscribers = 6, rate_per_s = 10.0, rooms = 2 }
"""

CHAT_SERVER = """
name = "chat-server"
about = "a server with a first message, and no way in but the socket"
protocol = "websocket"
[subscribe]
path = "/rooms/{room}/ws"
first_message = '{"type":"hello","token":"{token}"}'
[publish]
body = '{"type":"chat","content":"{content}"}'
"""


@contextmanager
def running(command: list[str], port: int, log: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Start a server and wait until it listens; end it by its pid."""
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
def nchan(tmp_path: Path) -> Iterator[str]:
    """Debian's nginx with nchan, by the configuration that the adapters name."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(nginx).exists() or not NCHAN_MODULE.exists():
        missing("nginx with libnginx-mod-nchan")
    port = free_port()
    config = (
        (Path(adapter.__file__).parent / "adapters" / "nchan.conf")
        .read_text()
        .replace("127.0.0.1:8090", f"127.0.0.1:{port}")
    )
    folder = tmp_path / "nginx"
    folder.mkdir()
    user = "user root;\n" if os.geteuid() == 0 else ""  # its worker must reach the folder of this test
    two = config.replace("worker_processes 1;", "worker_processes 2;")
    (folder / "nchan.conf").write_text(user + two)
    with running([nginx, "-p", str(folder), "-c", str(folder / "nchan.conf")], port, tmp_path / "nginx.log"):
        yield f"http://127.0.0.1:{port}"


def measure(folder: Path, *arguments: str) -> Run:
    scenario, out = folder / "tiny.toml", folder / "runs"
    scenario.write_text(TINY)
    assert rtlab_once("run", str(scenario), "--out", str(out), *arguments) in (0, 4)
    (run,) = store.listed(out)
    return store.load(run)


def check_delivered(cell: Cell) -> None:
    counts = cell.counts
    assert counts is not None, cell.verdict
    assert (counts.published, counts.refused) == (20, 0)
    assert (counts.received, counts.lost, counts.duplicates, counts.out_of_order) == (60, 0, 0, 0)
    assert cell.instrument is not None
    assert cell.instrument.clock == ("kernel" if sys.platform == "linux" else "user")


def test_nchan_is_measured_on_its_three_transports(nchan: str, tmp_path: Path) -> None:
    run = measure(tmp_path, "--target", nchan, "--adapter", "nchan")
    settings = run.manifest["settings"]
    assert (settings["target"], settings["adapters"]) == ("this machine", "nchan-longpoll, nchan-sse, nchan-websocket")
    assert {cell.transport for cell in run.cells} == {"nchan-longpoll", "nchan-sse", "nchan-websocket"}
    for cell in run.cells:
        check_delivered(cell)
        assert str(cell.server["software"]).startswith("nginx/")
        assert cell.server["processes_watched"] == 3, "the parent and both workers"
        assert "forwards" not in cell.server
        assert cell.costs is not None
        assert cell.costs.server_cpu_us_per_delivery is not None


def test_a_server_that_is_sent_everything_over_one_socket_is_measured_beside_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    described = tmp_path / "chat.toml"
    described.write_text(CHAT_SERVER)
    token = sign(SECRET.encode(), "outside", ["*"], time.time() + 600)
    monkeypatch.setenv("RTLAB_TARGET_TOKEN", token)
    serve = [sys.executable, "-m", "transports", "websocket", "--port", str(port)]
    environment = os.environ | {"RTLAB_SECRET": SECRET, "RTLAB_RATE": "0"}
    with running(serve, port, tmp_path / "server.log", environment):
        run = measure(
            tmp_path,
            *("--target", f"http://127.0.0.1:{port}", "--adapter", str(described), "--transports", "sse"),
        )
    assert token not in (tmp_path / "runs" / run.run_id / "run.json").read_text()
    assert {cell.transport for cell in run.cells} == {"chat-server", "sse"}
    for cell in run.cells:
        check_delivered(cell)


STARTED = """
name = "{name}"
about = "our own server, as if it were another's"
protocol = "sse"
version = "7"
[server]
command = ["{python}", "-m", "transports", "sse", "--port", "{port}", "--host", "{host}"]
env = { RTLAB_SECRET = "{secret}", RTLAB_RATE = "0" }
ready = "GET /health"
cwd = "{folder}"
[subscribe]
path = "/rooms/{room}/events"
headers = { Authorization = "Bearer {token}" }
[publish]
path = "/rooms/{room}/messages"
headers = { Authorization = "Bearer {token}", Content-Type = "application/json" }
body = '{"content":"{content}"}'
"""


def test_servers_that_the_lab_starts_share_one_run_with_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for name in ("first", "second"):
        files.append(tmp_path / f"{name}.toml")
        text = STARTED.replace("{name}", name).replace("{python}", sys.executable).replace("{secret}", SECRET)
        files[-1].write_text(text.replace("{folder}", str(Path.cwd())))
    token = sign(SECRET.encode(), "outside", ["*"], time.time() + 600)
    monkeypatch.setenv("RTLAB_TARGET_TOKEN", token)
    run = measure(
        tmp_path,
        *("--transports", "sse", "--adapter", str(files[0]), "--adapter", str(files[1])),
    )
    assert {cell.transport for cell in run.cells} == {"first", "second", "sse"}
    for cell in run.cells:
        check_delivered(cell)
        assert cell.costs is not None
        assert cell.costs.server_cpu_us_per_delivery is not None
        assert (tmp_path / "runs" / run.run_id / f"server-{cell.id}.log").exists()
    assert run.manifest["settings"]["target"] == "started by the lab"
    assert run.manifest["targets"]["first.version"] == "7"
    text = (tmp_path / "runs" / run.run_id / "run.json").read_text()
    assert token not in text
    assert SECRET not in text
