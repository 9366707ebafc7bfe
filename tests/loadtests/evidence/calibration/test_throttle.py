"""Slowing a process down: by a control group where one may be made, else by the idle scheduling class."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadtests.evidence.calibration import selftest, throttle

linux_only = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="control groups and SCHED_IDLE are Linux's")


@linux_only
def test_without_control_groups_the_idle_class_and_a_hog_do_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_CONTROL_GROUPS", tmp_path)
    before = os.sched_getaffinity(0)
    with throttle.throttled(5) as means:
        assert "idle scheduling class" in means
        assert os.sched_getscheduler(0) == os.SCHED_IDLE
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert os.sched_getaffinity(0) == before


@linux_only
def test_a_cell_with_a_weak_generator_is_refused(tmp_path: Path) -> None:
    found = selftest.measure_weak(tmp_path)
    assert found.means
    assert found.refused, found
    assert any("lateness" in reason or "from kernel receive to read" in reason for reason in found.reasons), found
