"""The lab's own server is stopped (SIGSTOP) in the middle of a cell and never continued: it must look frozen."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil

from loadtests.records.schema import Validity
from loadtests.report import thresholds
from loadtests.report.quantity import AtLeast
from loadtests.report.study import study
from tests.loadtests.cli.test_compare import only_run, rtlab

SUBSCRIBERS, WARM_UP, MEASURED, FROZEN_AFTER = 5, 4, 40, 14  # messages; 20 a second
JOINS = SUBSCRIBERS + 1
TRANSPORTS = ("websocket", "longpoll")  # publishes on the socket that it receives on, and by POST
SCENARIO = f"""
name = "frozen"
about = "as little as will do"
blocks = 1
warm_up_s = 0.2
measured_s = 2.0
grace_s = 0.5
[[cells]]
load = {{ name = "5x20", subscribers = {SUBSCRIBERS}, rate_per_s = 20.0 }}
"""


def server_of(lab: subprocess.Popen[str], known: set[int]) -> tuple[int, int]:
    """Wait for a server of the lab's that is not known yet; return its pid and port."""
    while lab.poll() is None:
        for child in psutil.Process(lab.pid).children():
            try:
                command = child.cmdline()
            except psutil.Error:
                continue
            if child.pid not in known and "transports" in command and "--port" in command:
                return child.pid, int(command[command.index("--port") + 1])
        time.sleep(0.02)  # to look again at once would take a core from what is awaited
    raise AssertionError(f"the lab ended with {lab.returncode} before it started a server")


def published(port: int) -> int:
    """Return how many events got an offset: messages, and a join of each subscriber and of the publisher."""
    try:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/metrics")
            metrics = connection.getresponse().read().decode()
    except OSError:
        return 0  # it does not listen yet
    found = re.search(r"^rtlab_events_published_total(?:\{.*\})? (\d+)", metrics, re.MULTILINE)
    return int(found[1]) if found else 0


def test_a_server_that_froze_for_good_looks_frozen(tmp_path: Path) -> None:
    scenario, runs = tmp_path / "frozen.toml", tmp_path / "runs"
    scenario.write_text(SCENARIO)
    with rtlab("run", str(scenario), "--transports", ",".join(TRANSPORTS), "--out", str(runs)) as lab:
        frozen: set[int] = set()
        for _ in TRANSPORTS:
            pid, port = server_of(lab, frozen)
            while published(port) < JOINS + FROZEN_AFTER:
                assert lab.poll() is None
                time.sleep(0.02)
            os.kill(pid, signal.SIGSTOP)
            frozen.add(pid)
        stdout, stderr = lab.communicate(timeout=120)
    assert lab.returncode == 4, stderr
    folder, run = only_run(runs)
    assert {cell.transport for cell in run.cells} == set(TRANSPORTS)
    for cell in run.cells:
        counts = cell.counts
        assert counts is not None, cell.verdict
        assert cell.verdict.validity is Validity.INVALID
        assert any("publications were never answered, more than 1 %" in reason for reason in cell.verdict.reasons)
        assert counts.published + counts.unanswered == MEASURED
        assert 0 < counts.unanswered <= MEASURED + WARM_UP - FROZEN_AFTER
        assert counts.refused == 0
        assert counts.expected == MEASURED * SUBSCRIBERS
        assert counts.lost >= counts.unanswered * SUBSCRIBERS
        assert f"{100 * counts.reach:.2f} %" in stdout
    for result in study(folder).results:
        assert type(result.percentiles.max_ms) is AtLeast
        assert result.percentiles.max_ms > 500, "the grace alone"
    outcomes = thresholds.judge(study(folder), [thresholds.parse("*.max>50ms"), thresholds.parse("*.unanswered>0")])
    assert all(outcome.broken for outcome in outcomes)
