"""The scheduler is asked for short turns, and the scheduling class stays what it was."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_LISTED = Path("/proc/self/sched")
_PROGRAM = """
import os, sys
from pathlib import Path
from loadtests.load.users import kernel_calls
if sys.argv[1] == "SCHED_IDLE":
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
kernel_calls.shorten_slices()
print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))
print(Path("/proc/self/sched").read_text() if Path("/proc/self/sched").exists() else "")
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="sched_setattr is Linux's")


def shortened(policy: str) -> tuple[str, str]:
    """What a process is scheduled by after it asked: its policy and nice value, and what the kernel lists."""
    command = ["nice", "-n", "3", sys.executable, "-c", _PROGRAM, policy]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, _, listed = done.stdout.partition("\n")
    return first, listed


@linux_only
@pytest.mark.parametrize("policy", ["SCHED_OTHER", "SCHED_IDLE"])
def test_policy_and_nice_value_stay(policy: str) -> None:
    assert shortened(policy)[0] == f"{getattr(os, policy)} 3"


@linux_only
def test_slices_are_short_where_the_kernel_has_them() -> None:
    release = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    if release < (6, 12) or not _LISTED.exists() or "se.slice" not in _LISTED.read_text():
        pytest.skip("this kernel knows no slices of one's own, or does not tell of them")
    assert re.search(r"se\.slice\s*:\s*100000\n", shortened("SCHED_OTHER")[1])
