"""What the operating system tells of processes, the machine and its TCP: CPU, memory.

Cumulative values; who wants rates subtracts. CPU in nanoseconds, memory in KiB.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_LINUX = sys.platform == "linux"
_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED in the kernel's encoding of another process's CPU clock
_CONNECTION_CACHES = ("TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi")


def cpu_ns(pids: Iterable[int]) -> int:
    """Return the CPU time used so far by the processes that still live."""
    return sum(_cpu_ns(pid) for pid in pids)


def _cpu_ns(pid: int) -> int:
    if _LINUX:
        # The scheduler's own nanoseconds (clock_getcpuclockid(3)); /proc/PID/stat has ticks of 10 ms only.
        try:
            return time.clock_gettime_ns((~pid << 3) | _PROCESS_CLOCK)
        except OSError:
            return 0
    try:
        times = psutil.Process(pid).cpu_times()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int((times.user + times.system) * 1e9)


def rss_kib(pids: Iterable[int]) -> float:
    """Return the resident memory of the processes that still live; shared pages count once per process."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 1024


def machine_busy_ns() -> int:
    """Return the CPU time that programs used so far on all cores, stolen time included, interrupts not.

    Interrupts are left out because the loopback's own work is counted there, not in the processes.
    """
    times = psutil.cpu_times()
    busy = times.user + times.system + getattr(times, "nice", 0.0) + getattr(times, "steal", 0.0)
    return int(busy * 1e9)


def connection_objects_kib(slabinfo: Path = Path("/proc/slabinfo")) -> float | None:
    """Return the size of the kernel's objects for one end of one TCP connection: socket, inode, file, epoll entry.

    Sizes, not counts: freed objects stay in per-core lists that the counts hold for used. None where /proc does not
    tell (not Linux, or no right to read it).
    """
    try:
        text = slabinfo.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    rows = [line.split() for line in text.splitlines()]
    sizes = [int(row[3]) for row in rows if len(row) > 3 and row[0] in _CONNECTION_CACHES]
    return sum(sizes) / 1024 if len(sizes) == len(_CONNECTION_CACHES) else None


def tcp_buffers_kib(sockstat: Path = Path("/proc/net/sockstat")) -> float | None:
    """Return the memory of all TCP buffers of this machine, from sockstat's line `TCP: inuse 1 … mem 259` (pages)."""
    try:
        text = sockstat.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    for line in text.splitlines():
        fields = line.split()
        if fields[:1] == ["TCP:"] and "mem" in fields:
            return int(fields[fields.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE") / 1024
    return None


def metric_total(text: str, name: str) -> float | None:
    """Return the sum of a metric over its labels in Prometheus text; None if it is not there."""
    found: float | None = None
    for line in text.splitlines():
        if line.startswith(name) and line[len(name) : len(name) + 1] in ("{", " "):
            found = (found or 0.0) + float(line.rsplit(" ", 1)[1])
    return found
