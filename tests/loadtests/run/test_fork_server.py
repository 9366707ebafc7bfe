"""Generators are forked from a prepared process, and are what a program that the lab started would be."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtests.records.errors import GeneratorError
from loadtests.run.generators import Fork, ForkServer

STAND_IN = "tests.loadtests.run.stand_in_fork"


@pytest.fixture
def fork_server() -> Iterator[ForkServer]:
    made = ForkServer()
    yield made
    made.close()


def said(fork: Fork) -> dict[str, Any]:
    reported: dict[str, Any] = json.loads(fork.output.read(4096))
    return reported


def test_a_fork_runs_with_the_arguments_and_ends_with_the_code_of_its_module(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    fork = fork_server.fork(STAND_IN, ["3", "spec.json"], log=tmp_path / "log")
    assert said(fork)["arguments"] == ["3", "spec.json"]
    assert fork.wait(10) == 3
    assert fork.exit_code() == 3
    assert fork.last_line() == "last words"
    assert fork.stop(1) == 3


def test_a_fork_has_its_own_session_and_what_a_child_would_have_of_ours(
    fork_server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fork_server.fork(
        STAND_IN, ["stay"], log=tmp_path / "first.log"
    )  # the fork_server is older than what follows
    core = min(os.sched_getaffinity(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    monkeypatch.chdir(tmp_path)
    try:
        fork = fork_server.fork(STAND_IN, ["0"], log=Path("relative.log"), on_cores=frozenset({core}))
        there = said(fork)
        assert (there["session"], there["folder"]) == (fork.pid, str(tmp_path))
        assert (there["cores"], there["open_files"]) == ([core], soft - 1)
        assert there["input"] == ""
        assert len(there["descriptors"]) == len(said(first)["descriptors"])  # nothing of the other fork
        assert fork.wait(10) == fork.stop(1) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        first.stop(10)


def test_forks_live_side_by_side_and_each_end_is_reported(fork_server: ForkServer, tmp_path: Path) -> None:
    forks = [fork_server.fork(STAND_IN, ["stay"], log=tmp_path / f"{number}.log") for number in range(3)]
    assert len({fork.pid for fork in forks}) == 3
    for fork in forks:
        said(fork)
    assert forks[1].exit_code() is None
    assert forks[1].stop(10) == -signal.SIGTERM
    assert forks[0].wait(0.05) is None
    os.kill(forks[2].pid, signal.SIGKILL)
    assert forks[2].wait(10) == -signal.SIGKILL
    forks[2].stop(1)
    assert forks[0].stop(10) == -signal.SIGTERM


def test_a_module_that_fails_leaves_its_reason_in_the_log(fork_server: ForkServer, tmp_path: Path) -> None:
    fork = fork_server.fork("tests.no_such_module", [], log=tmp_path / "log")
    assert fork.wait(10) == 1
    assert "No module named 'tests.no_such_module'" in fork.last_line()
    fork.stop(1)


def test_a_fork_server_that_died_is_replaced_and_its_forks_are_not_waited_for(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    orphan = fork_server.fork(STAND_IN, ["stay"], log=tmp_path / "orphan.log")
    mother = psutil.Process(orphan.pid).parent()
    assert mother is not None
    mother.kill()
    assert orphan.wait(10) == orphan.stop(1) == 255
    os.kill(orphan.pid, signal.SIGKILL)
    deadline_s = time.monotonic() + 10
    while (fork := forked(fork_server, tmp_path)) is None:
        assert time.monotonic() < deadline_s
    said(fork)
    assert fork.stop(10) == -signal.SIGTERM


def forked(fork_server: ForkServer, folder: Path) -> Fork | None:
    """A fork, or None while the old fork_server is dying: its socket may still take an order."""
    try:
        return fork_server.fork(STAND_IN, ["stay"], log=folder / "log")
    except GeneratorError:
        return None


def test_closing_ends_the_fork_server_and_not_its_forks(fork_server: ForkServer, tmp_path: Path) -> None:
    fork = fork_server.fork(STAND_IN, ["stay"], log=tmp_path / "log")
    mother = psutil.Process(fork.pid).parent()
    assert mother is not None
    fork_server.close()
    assert not mother.is_running()
    alive = psutil.Process(fork.pid)
    assert alive.status() != psutil.STATUS_ZOMBIE
    os.kill(fork.pid, signal.SIGKILL)
    fork.stop(1)
    fork_server.close()  # harmless
