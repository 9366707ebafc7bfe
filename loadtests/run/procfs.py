"""CPU and memory of processes, of the machine and of its TCP, from the operating system.

CPU is cumulative, in nanoseconds; the caller subtracts. Memory is in KiB.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
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
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += psutil.Process(pid).memory_info().rss
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
    sizes = [int(row[3]) for row in _rows(slabinfo) if len(row) > 3 and row[0] in _CONNECTION_CACHES]
    return sum(sizes) / 1024 if len(sizes) == len(_CONNECTION_CACHES) else None


def tcp_buffers_kib(sockstat: Path = Path("/proc/net/sockstat")) -> float | None:
    """Return the memory of all TCP buffers of this machine, from sockstat's line `TCP: inuse 1 … mem 259` (pages)."""
    pages = [row[row.index("mem") + 1] for row in _rows(sockstat) if row[:1] == ["TCP:"] and "mem" in row]
    return int(pages[0]) * os.sysconf("SC_PAGE_SIZE") / 1024 if pages else None


def _rows(path: Path) -> list[list[str]]:
    """Return the words of each line of a file of /proc; none where it can't be read."""
    try:
        return [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError):
        return []


def metric_total(text: str, name: str) -> float | None:
    """Return the sum of a metric over its labels in Prometheus text; None if it is not there."""
    found: float | None = None
    for line in text.splitlines():
        if line.startswith(name) and line[len(name) : len(name) + 1] in ("{", " "):
            found = (found or 0.0) + float(line.rsplit(" ", 1)[1])
    return found
