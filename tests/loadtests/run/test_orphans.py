"""Whatever ends the lab, no process that it started survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

LINUX = sys.platform == "linux"
LIMIT_S = 60.0

PARENT = """
import os, signal, sys, time
from pathlib import Path
from loadtests.run import process
signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # ignored where a shell runs the tests in the background
from loadtests.run.process import Child
if "{way}" == "pipe":
    process._LIBC = None  # as where the kernel binds nobody
child = Child([sys.executable, "-c", {child!r}], log=Path({log!r}), environment=os.environ)
print(child.pid, flush=True)
time.sleep(600)
"""
CHILD = "print('ready', flush=True); import time; time.sleep(600)"
SERVER = "from transports.instances import end_with_parent; end_with_parent();" + CHILD

SCENARIO = """
name = "endless"
about = "A cell that is still measured when the lab is killed."
warm_up_s = 0.2
measured_s = 300.0

[[cells]]
kind = "latency"
link = "rtt=2ms"
load = { name = "2x5", subscribers = 2, rate_per_s = 5.0 }
"""


def _await(what: Callable[[], bool], why: Callable[[], str] = str) -> None:
    until_s = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < until_s, why()
        time.sleep(0.02)


def _gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("way", "number"),
    [
        *(
            pytest.param("kernel", each, marks=pytest.mark.skipif(not LINUX, reason="the kernel does it on Linux"))
            for each in (signal.SIGKILL, signal.SIGQUIT)
        ),
        ("pipe", signal.SIGKILL),
    ],
)
def test_a_child_ends_with_its_parent(way: str, number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = PARENT.format(way=way, child=SERVER if way == "pipe" else CHILD, log=str(log))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        _await(lambda: log.exists() and "ready" in log.read_text())
        if way == "kernel":
            child.send_signal(signal.SIGSTOP)  # as a server that is frozen
        parent.send_signal(number)
        try:
            parent.wait(LIMIT_S)
        finally:
            parent.kill()
    _await(lambda: _gone(child), lambda: f"process {child.pid} lives on")


def test_a_lab_that_is_killed_in_a_cell_leaves_nobody_behind(tmp_path: Path) -> None:
    scenario = tmp_path / "endless.toml"
    scenario.write_text(SCENARIO)
    command = [
        sys.executable,
        "-m",
        "loadtests.cli",
        "run",
        str(scenario),
        "--transports",
        "sse",
        "--out",
        str(tmp_path),
    ]
    log = tmp_path / "lab.log"
    with log.open("wb") as sink:
        lab = psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)

    def family() -> dict[str, psutil.Process]:
        """The lab's descendants that it has while a cell is measured, by what they are."""
        found: dict[str, psutil.Process] = {}
        for each in lab.children(recursive=True):
            line = " ".join(each.cmdline())
            if "loadtests.load.users.fork_server" in line:
                found["fork server" if each.ppid() == lab.pid else "generator"] = each
            elif "-m transports" in line:
                found["server"] = each
            elif "loadtests.run.links" in line:
                found["link"] = each
        return found

    def measuring() -> bool:
        try:
            return {"fork server", "generator", "server"} <= family().keys()
        except psutil.NoSuchProcess:  # one of those that only look whether something works
            return False

    try:
        _await(measuring, log.read_text)
        everybody = lab.children(recursive=True)
        assert len(everybody) >= 4, "a link's carrier or holder too"
    finally:
        os.kill(lab.pid, signal.SIGKILL)
        lab.wait(LIMIT_S)
    _await(lambda: all(map(_gone, everybody)), lambda: str([each for each in everybody if not _gone(each)]))
