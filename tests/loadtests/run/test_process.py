"""Child processes: ended in order, killed if they do not end, and quoted by their last line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtests.records.errors import ServerError
from loadtests.run import instances
from loadtests.run.process import Child, Running
from loadtests.run.servers import HOST, Server, ServerSettings

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(grandchild.pid, flush=True)
time.sleep(600)
"""

WAITS = "print('ready', flush=True); import time; time.sleep(600)"


def start(folder: Path, script: str) -> Child:
    return Child((sys.executable, "-c", script), log=folder / "log", environment=os.environ)


def first_line(child: Child) -> str:
    until_s = time.monotonic() + 10
    while "\n" not in (text := child.log.read_text()):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    return text.partition("\n")[0]


def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(tmp_path: Path) -> None:
    child = start(tmp_path, STUBBORN)
    grandchild = psutil.Process(int(first_line(child)))
    assert child.stop(timeout_s=0.2) == -signal.SIGKILL
    psutil.wait_procs([grandchild], timeout=10)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_child_that_listens_ends_by_sigterm(tmp_path: Path) -> None:
    child = start(tmp_path, WAITS)
    assert first_line(child) == "ready"
    assert child.exit_code() is None
    assert child.wait(0.01) is None
    assert child.stop(timeout_s=10) == -signal.SIGTERM


def test_a_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    child = start(tmp_path, WAITS)
    try:
        assert os.getsid(child.pid) == child.pid
    finally:
        child.stop(timeout_s=10)


def test_the_last_words_are_the_last_line_that_says_something(tmp_path: Path) -> None:
    child = start(tmp_path, "import sys; sys.stderr.write('first\\nlast words\\n  \\n')")
    assert child.wait(10) == 0
    assert child.last_line() == "last words"
    child.log.unlink()
    assert child.last_line() == ""
    child.stop(timeout_s=1)


def server(folder: Path, script: str) -> Server:
    settings = ServerSettings(command=(sys.executable, "-c", script), drain_s=0.1)
    return Server("sse", settings, log=folder / "log")


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with (
        server(tmp_path, WAITS) as silent,
        pytest.raises(ServerError, match=r"the sse server was not ready within 0\.2 s"),
    ):
        silent.wait_ready(lambda: None, timeout_s=0.2)
    assert silent.processes() == ()


def test_a_server_that_answers_no_http_describes_nothing(tmp_path: Path) -> None:
    talks_nonsense = (
        "import socket, sys\n"
        "port = int(sys.argv[sys.argv.index('--port') + 1])\n"
        "listener = socket.create_server(('127.0.0.1', port))\n"
        "while True:\n"
        "    peer, _ = listener.accept()\n"
        "    peer.recv(4096)\n"
        "    peer.sendall(b'nonsense\\r\\n')\n"
        "    peer.close()\n"
    )
    with server(tmp_path, talks_nonsense) as odd:
        with pytest.raises(ServerError, match="not ready"):
            odd.wait_ready(lambda: None, timeout_s=1.0)
        with pytest.raises(ConnectionError, match="no HTTP answer"):
            instances.answers(HOST, odd.port, "/health")
        assert odd.describe() == {}


def test_settings_of_the_callers_shell_do_not_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTLAB_OUTBOX_BYTES", "1")
    environment = ServerSettings(variables={"RTLAB_BURST": "7"}).environment("secret")
    assert "RTLAB_OUTBOX_BYTES" not in environment
    assert environment["RTLAB_RATE"] == "0"
    assert environment["RTLAB_BURST"] == "7"
    assert environment["RTLAB_SECRET"] == "secret"
    assert "RTLAB_SECRET" not in ServerSettings().recorded()


@pytest.mark.parametrize("noticed_at", [1, 2])
def test_one_that_ended_before_it_was_signalled_has_its_exit_code(tmp_path: Path, noticed_at: int) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(60)

    class Forked(Running):
        """A fork server has taken its exit code, and reports it a moment later."""

        pid = gone.pid
        looks = 0

        def wait(self, timeout_s: float) -> int | None:
            self.looks += 1
            return 3 if self.looks > noticed_at else None

    assert Forked(tmp_path / "log").stop(1.0) == 3
