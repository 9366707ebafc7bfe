"""What the operating system says of processes: their CPU and memory, the machine's, and which of them serve a port.

CPU is cumulative, in nanoseconds; the caller subtracts. Memory is in KiB. A port is served by all that hold its
listening socket, and by what they started: psutil names one holder of a socket, but a prefork server has its socket in
a parent and in each worker. On Linux the sockets' inodes are looked up in `/proc/net/tcp*` and `/proc/PID/fd`. Only
what this user may see is seen.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

_LINUX = sys.platform == "linux"
_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED in the kernel's encoding of another process's CPU clock
_LISTEN = "0A"  # include/net/tcp_states.h
_INIT = 1  # holds the sockets of services that it starts when somebody connects, and has started everything
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


def waited_ns(pids: Iterable[int]) -> int | None:
    """Return how long the processes' main threads were ready to run so far, and did not; None where nothing tells."""
    found = (_rows(Path(f"/proc/{pid}/schedstat")) for pid in pids)
    waited = [int(rows[0][1]) for rows in found if rows and len(rows[0]) > 1]
    return sum(waited) if waited else None


def core_count(pids: Iterable[int]) -> int:
    """Return how many cores the processes that still live may run on, together; at least 1."""
    cores: set[int] = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):  # macOS pins nothing
            cores.update(psutil.Process(pid).cpu_affinity() or ())
    return max(1, len(cores))


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


class _Socket(NamedTuple):
    address: str
    port: int
    listens: bool
    inode: str


def addresses(host: str, port: int) -> tuple[str, ...]:
    """Return every address of a host name, in the order in which clients try them; none where it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(where[0]) for *_, where in found))


def processes(where: Sequence[str], port: int) -> tuple[int, ...]:
    """Return the pids that serve `port` at one of the addresses: the socket's holders and all that they started.

    This process and what it started are never among the latter: they are not the server's.
    """
    holders = _linux_holders(where, port) if _LINUX else _psutil_holders(port)
    holders = holders - {_INIT} or holders
    return tuple(sorted({*trees(holders - {_INIT}), *holders}))


def trees(pids: Iterable[int]) -> tuple[int, ...]:
    """Return the processes that live, and all that they started, but for this one and what it started."""
    found: set[int] = set()
    for pid in filter(psutil.pid_exists, pids):
        found.update((pid, *_descendants(pid)))
    return tuple(sorted(found))


def further_sockets(pids: Iterable[int], port: int) -> int:
    """Return how many sockets the processes hold beside those of `port`, such as connections to another server.

    0 where they can't be seen. A socket that several hold counts once.
    """
    if not _LINUX or not (known := tuple(pids)):
        return 0
    # A server behind an emulated link is in a network namespace of its own, whose sockets only its tables show.
    served = {each.inode for each in _tcp_sockets(of=str(known[0])) if each.port == port}
    return len({inode for pid in known for inode in _inodes(pid)} - served)


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = psutil.Process(pid).children()
    except psutil.Error:
        return
    for child in children:
        if child.pid != os.getpid() and _lives(child):
            yield child.pid
            yield from _descendants(child.pid)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _psutil_holders(port: int) -> set[int]:
    found: set[int] = set()
    with suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                found.add(connection.pid or 0)
    return found - {0}


def _linux_holders(where: Sequence[str], port: int) -> set[int]:
    """Return the pids that hold the socket which a client reaches that tries the addresses in their order."""
    listening = [each for each in _tcp_sockets() if each.listens and each.port == port]
    for address in where:
        # The kernel prefers the socket bound to the very address to one bound to all.
        for bound in ((address,), _all_of(address)):
            inodes = {each.inode for each in listening if each.address in bound}
            if inodes:
                return {pid for pid in psutil.pids() if not inodes.isdisjoint(_inodes(pid))}
    return set()


def _all_of(address: str) -> tuple[str, ...]:
    """Return the wildcard addresses that a socket which takes connections to this one may be bound to."""
    return ("::",) if ":" in address else ("0.0.0.0", "::")  # noqa: S104  # compared, not bound


def _inodes(pid: int) -> set[str]:
    """Return the inodes of a process's sockets; none where it is gone or another user's."""
    found: set[str] = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                kind, _, inode = str(entry.readlink()).partition(":")
                if kind == "socket":
                    found.add(inode.strip("[]"))
    return found


def _tcp_sockets(of: str = "self") -> Iterator[_Socket]:
    for name in ("tcp", "tcp6"):
        try:
            _, *lines = Path("/proc", of, "net", name).read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError, ValueError):
            continue
        for line in lines:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            yield _Socket(_address(address), int(port, 16), fields[3] == _LISTEN, fields[9])


def _address(text: str) -> str:
    """Return the address of a row: words of 32 bits in the machine's byte order."""
    words = (int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8))
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
