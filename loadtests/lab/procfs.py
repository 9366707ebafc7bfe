"""What the operating system tells of processes, the machine and its TCP: CPU, memory.

Cumulative values; who wants rates subtracts. CPU in nanoseconds, memory in KiB.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_LINUX = sys.platform == "linux"
_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED in the kernel's encoding of another process's CPU clock
_TCP_CACHES = ("TCP", "TCPv6", "sock_inode_cache", "filp", "eventpoll_epi")
_PAGE_KIB = 4


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


def tcp_kernel_kib(root: Path = Path("/proc")) -> float | None:
    """Return the kernel's memory for sockets: slab objects and TCP buffers of the whole machine.

    None where /proc does not tell (not Linux, or no right to read slabinfo). Both ends of a loopback connection
    are in it.
    """
    try:
        slabs = (root / "slabinfo").read_text(encoding="ascii")
        sockets = (root / "net/sockstat").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return _slab_kib(slabs) + _buffer_kib(sockets)


def _slab_kib(slabinfo: str) -> float:
    """Sum active objects x object size over the caches that a TCP connection takes from."""
    total = 0
    for line in slabinfo.splitlines():
        fields = line.split()
        if fields and fields[0] in _TCP_CACHES:
            total += int(fields[1]) * int(fields[3])
    return total / 1024


def _buffer_kib(sockstat: str) -> float:
    """Read the pages of TCP buffers from sockstat's line `TCP: inuse 1 … mem 259`."""
    for line in sockstat.splitlines():
        fields = line.split()
        if fields and fields[0] == "TCP:" and "mem" in fields:
            return int(fields[fields.index("mem") + 1]) * float(_PAGE_KIB)
    return 0.0


def metric_total(text: str, name: str) -> float | None:
    """Return the sum of a metric over its labels in Prometheus text; None if it is not there."""
    found: float | None = None
    for line in text.splitlines():
        if line.startswith(name) and line[len(name) : len(name) + 1] in ("{", " "):
            found = (found or 0.0) + float(line.rsplit(" ", 1)[1])
    return found
