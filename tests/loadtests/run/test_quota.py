"""Holding processes to a share of a core: the quota of either version's group, and what it does to a busy process."""

from __future__ import annotations

import errno
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loadtests.run import procfs, quota
from loadtests.run.quota import Quota, QuotaError

BUSY = """
import time
last = time.monotonic()
while True:
    now = time.monotonic()
    if now - last > 0.001:
        print((now - last) * 1e3, flush=True)
    last = now
"""
"""Computes without end, and prints for how many milliseconds it was kept from that."""


@pytest.mark.parametrize(
    ("percent", "files"),
    [
        (20, {"cpu.max": "1000 5000", "cpu.weight": "10000"}),
        (5, {"cpu.max": "1000 20000"}),  # a quota is never less than a millisecond
        (20, {"cpu.cfs_quota_us": "1000", "cpu.cfs_period_us": "5000", "cpu.shares": "262144"}),
    ],
)
def test_a_group_gets_the_quota_of_its_version(tmp_path: Path, percent: float, files: dict[str, str]) -> None:
    for name in files:
        (tmp_path / name).touch()
    quota.limit(tmp_path, percent, quota.PERIOD_US)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_where_no_group_can_be_made_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(QuotaError, match="there are no control groups"):
        Quota(20, tmp_path)
    (tmp_path / "cgroup.procs").touch()
    with pytest.raises(QuotaError, match="has no processor quota"):
        Quota(20, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cgroup.procs"]


def test_a_process_that_can_not_be_held_is_said_one_that_has_ended_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "controllers", lambda *_: [tmp_path])
    monkeypatch.setattr(quota, "limit", lambda *_: None)
    held, refusal = Quota(20), OSError(errno.EINVAL, "Invalid argument")

    def write_text(path: Path, text: str) -> int:
        raise refusal

    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(QuotaError, match="process 7: Invalid argument"):
        held.hold([7])
    refusal = ProcessLookupError(errno.ESRCH, "No such process")
    held.hold([7])


@pytest.mark.skipif(bool(quota.why_not()), reason=f"no process can be held to a share here: {quota.why_not()}")
def test_a_busy_process_gets_its_share_and_the_rest_is_counted() -> None:
    busy = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
    held = Quota(20)
    try:
        held.hold([busy.pid])
        time.sleep(0.1)
        before_ns, throttled_ns, cpu_ns = time.monotonic_ns(), held.throttled_ns(), procfs.cpu_ns([busy.pid])
        time.sleep(0.5)
        passed_ns = time.monotonic_ns() - before_ns
        assert 0.1 < (procfs.cpu_ns([busy.pid]) - cpu_ns) / passed_ns < 0.25
        assert held.throttled_ns() - throttled_ns > 0.3 * passed_ns
        beating = list(held._metronomes.values())
        assert len(beating) == len(os.sched_getaffinity(busy.pid))
    finally:
        busy.kill()
        busy.wait()
        held.close()
    assert not list(quota.CONTROL_GROUPS.glob(f"*/rtlab-held-{os.getpid()}-*"))
    assert [each.poll() for each in beating] == [-signal.SIGKILL] * len(beating), "they were allowed, and are gone"
    longest_ms = statistics.median(map(float, busy.communicate()[0].split()))
    assert longest_ms < 1.5 * quota.PERIOD_US / 1e3, "it goes on in the next period"
