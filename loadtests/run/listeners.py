"""Which processes serve a port of this machine: all that hold its listening socket, and what they started.

psutil names one holder of a socket; a prefork server has its socket in a parent and in each worker. On Linux the
sockets' inodes are looked up in `/proc/net/tcp*` and `/proc/PID/fd`. Only what this user may see is seen.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

_LISTEN = "0A"  # include/net/tcp_states.h
_INIT = 1  # holds the sockets of services that it starts when somebody connects, and has started everything


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
    holders = _linux_holders(where, port) if sys.platform == "linux" else _psutil_holders(port)
    holders = holders - {_INIT} or holders
    found = set(holders)
    for pid in holders - {_INIT}:
        found.update(_descendants(pid))
    return tuple(sorted(found))


def further_sockets(pids: Iterable[int], port: int) -> int:
    """Return how many sockets the processes hold beside those of `port`, such as connections to another server.

    0 where they can't be seen. A socket that several hold counts once.
    """
    if sys.platform != "linux":
        return 0
    served = {each.inode for each in _tcp_sockets() if each.port == port}
    return len({inode for pid in pids for inode in _inodes(pid)} - served)


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


def _tcp_sockets() -> Iterator[_Socket]:
    for name in ("tcp", "tcp6"):
        try:
            _, *lines = Path("/proc/net", name).read_text(encoding="ascii").splitlines()
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
