"""Servers start together, and one that does not come up keeps nobody from being measured."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from loadtests.evidence.bench.started import Running, running, started, up
from loadtests.evidence.bench.systems import System
from loadtests.records.errors import LabError

_LISTENS = "import socket, sys, time; held = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
LISTENING = System("listening", lambda port, _: [sys.executable, "-c", _LISTENS, str(port)])
BROKEN = System("broken", lambda port, _: [sys.executable, "-c", "raise SystemExit('no port for me')"])


def _uncompiled(port: int, folder: Path) -> list[str]:
    raise LabError("no C compiler on PATH")


def test_what_is_compared_runs_at_once_each_on_a_port_of_its_own_and_ends() -> None:
    with started([LISTENING, LISTENING], frozenset()) as servers:
        one, other = map(up, servers)
        assert one.port != other.port
        assert all(psutil.pid_exists(pid) for pid in (*one.pids, *other.pids))
    assert not any(psutil.pid_exists(pid) for pid in (*one.pids, *other.pids))


def test_one_that_does_not_come_up_is_named_and_the_others_run() -> None:
    with started([BROKEN, LISTENING, System("uncompiled", _uncompiled)], frozenset()) as servers:
        broken, listening, uncompiled = servers
        assert isinstance(listening, Running)
        assert str(broken).startswith("broken does not listen")
        assert str(broken).endswith("no port for me")
        assert str(uncompiled) == "no C compiler on PATH"
    with pytest.raises(LabError, match="broken does not listen"), running(BROKEN, frozenset()):
        pass


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are given to processes on Linux only")
def test_a_server_is_on_its_core_before_anything_is_measured() -> None:
    core = min(os.sched_getaffinity(0))
    with running(LISTENING, frozenset({core})) as server:
        assert all(os.sched_getaffinity(pid) == {core} for pid in server.pids)
