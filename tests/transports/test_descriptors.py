"""Descriptors that run out: refused at the start in one sentence, and warned of once while serving."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.settings import SettingError
from tests.contracts.kit.server import ServerProcess, ServerSpec
from tests.transports.access import SECRET
from transports.descriptors import LEAST, DescriptorWatch, refuse_too_few


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many descriptors the system allows, as a test sets it."""
    limit = [LEAST]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit[0], limit[0]))
    return limit


def test_too_few_are_refused(allowed: list[int]) -> None:
    refuse_too_few()
    allowed[0] = LEAST - 1
    with pytest.raises(SettingError, match=f"may have {LEAST - 1} file descriptors: at least {LEAST}"):
        refuse_too_few()


def test_running_out_is_warned_of_once_a_minute(allowed: list[int], caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    watch = DescriptorWatch(lambda: now_s)
    watch.note(LEAST - 9)
    assert not caplog.messages
    watch.note(LEAST - 1)
    watch.note(LEAST - 2)
    assert [message.partition(":")[0] for message in caplog.messages] == [
        f"{LEAST} of {LEAST} file descriptors are in use"
    ]
    now_s = 61.0
    watch.note(LEAST - 1)
    assert len(caplog.messages) == 2
    now_s, allowed[0] = 122.0, 10 * LEAST  # raised meanwhile
    watch.note(LEAST - 1)
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("program", [("transports", "sse", "--port", "0"), ("uvicorn", "transports.sse:app")])
def test_server_with_too_few_does_not_start(program: tuple[str, ...]) -> None:
    command = ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", sys.executable, "-m", *program]
    environment = os.environ | {"RTLAB_SECRET": SECRET.decode()}
    started = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert started.returncode != 0
    assert f"may have 64 file descriptors: at least {LEAST} are needed" in started.stderr
    assert "Traceback" not in started.stderr


def test_server_that_runs_out_says_so_once(tmp_path: Path) -> None:
    server = ServerProcess(ServerSpec("sse"), tmp_path / "server.log")
    server.start()
    try:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (LEAST, LEAST))
        with ExitStack() as connections:
            for _ in range(LEAST):
                connection = connections.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
                connection.settimeout(5)
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                try:
                    if not connection.recv(1):
                        break
                except OSError:
                    break  # closed as it came
            else:
                pytest.fail("it never ran out")
        assert (tmp_path / "server.log").read_text().count("file descriptors are in use") == 1
    finally:
        server.stop()
