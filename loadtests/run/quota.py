"""Hold processes to a share of a core: a control group with a processor quota, of version 2 or 1. Linux only.

A quota is counted in periods: who has used it waits for the next one. With a period of 100 ms, the kernel's own, a
server would stall by tens of milliseconds; with one of 5 ms its stalls are shorter than what it is held to, as long as
a `metronome` lets the kernel look often enough.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from loadtests.records.errors import UsageError
from loadtests.run import metronome

CONTROL_GROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 5_000
LEAST_QUOTA_US = 1_000  # the kernel's
_NAME = "rtlab-held-"
_WEIGHTS = {"cpu.weight": 10_000, "cpu.shares": 262_144}  # of version 2 and 1, the greatest


class QuotaError(RuntimeError):
    """No control group can be made here, and why."""


class Quota:
    """A control group of its own, without a process at first. `close` ends it, once its processes have ended."""

    def __init__(self, percent: float, root: Path | None = None, *, period_us: int = PERIOD_US) -> None:
        """Make a group that gets `percent` of a core; raises QuotaError."""
        self._metronomes: dict[int, subprocess.Popen[bytes]] = {}
        errors: list[str] = []
        for controller in controllers(root or CONTROL_GROUPS, _NAME):
            self._controller, self._group = controller, controller / f"{_NAME}{os.getpid()}-{id(self):x}"
            try:
                self._group.mkdir()
                limit(self._group, percent, period_us)
            except OSError as error:
                remove(self._group)
                errors.append(str(error))
                continue
            return
        raise QuotaError("; ".join(errors) or "there are no control groups")

    def hold(self, pids: Iterable[int]) -> None:
        """Put processes into it; what they start from now on is in it too. Raises QuotaError."""
        for pid in pids:
            try:
                (self._group / "cgroup.procs").write_text(str(pid))
                for core in os.sched_getaffinity(pid) - self._metronomes.keys():
                    self._metronomes[core] = _beating(core)
            except ProcessLookupError:
                pass  # it has just ended
            except OSError as error:
                raise QuotaError(f"process {pid}: {error.strerror}") from None

    def throttled_ns(self) -> int:
        """Return how long its processes were kept from running so far."""
        for line in (self._group / "cpu.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "throttled_usec":
                return int(value) * 1000
            if name == "throttled_time":
                return int(value)
        return 0

    def close(self) -> None:
        """Remove the group."""
        for each in self._metronomes.values():
            each.kill()
            each.wait()
        self._metronomes.clear()
        for pid in (self._group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (self._controller / "cgroup.procs").write_text(pid)
        remove(self._group)


def _beating(core: int) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-I", metronome.__file__, str(os.getpid()), str(core))
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603  # our own module


def percent_of(text: str) -> float:
    """Return the share of a core that `20%` or `20` names; UsageError unless it is from 1 to 100."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 1 <= percent <= 100:
        raise UsageError(f"--server-cpu {text}: a share of one core is allowed, from 1% to 100%")
    return percent


def why_not() -> str:
    """Return why no process can be held to a share here; empty where it can."""
    try:
        Quota(50).close()
    except QuotaError as error:
        return str(error)
    return ""


def controllers(root: Path, stem: str) -> Iterator[Path]:
    """Yield the groups under which one with a quota may be made: of version 2, then of version 1.

    Groups called by `stem` and the pid of a process that is gone are removed.
    """
    for controller in (root, root / "unified", root / "cpu", root / "cpu,cpuacct"):
        if (controller / "cgroup.procs").is_file():
            for left in controller.glob(f"{stem}*"):
                if not Path(f"/proc/{left.name.removeprefix(stem).partition('-')[0]}").exists():
                    remove(left)
            yield controller


def limit(group: Path, percent: float, period_us: int) -> None:
    """Set a new group's quota; raises OSError where that is not allowed. A small share has a longer period.

    Up to its quota the group runs before others: how much it is held to is then how much it gets, whoever else is busy.
    """
    period_us = max(period_us, round(LEAST_QUOTA_US * 100 / percent))
    quota_us = round(period_us * percent / 100)
    # Control files appear with the group; opening one that did not must not make a file.
    if (group / "cpu.max").is_file():
        (group / "cpu.max").write_text(f"{quota_us} {period_us}")
    elif (group / "cpu.cfs_quota_us").is_file():
        (group / "cpu.cfs_period_us").write_text(str(period_us))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
    else:
        raise OSError(f"{group} has no processor quota")
    for name, most in _WEIGHTS.items():
        if (group / name).is_file():
            (group / name).write_text(str(most))


def remove(group: Path) -> None:
    """Remove a group that is empty; leave what is not ours to remove, or not there."""
    with suppress(OSError):
        group.rmdir()
