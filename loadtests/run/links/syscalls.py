"""Linux network namespaces and TUN devices by their system calls: Python 3.11 binds neither setns nor unshare."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


def join_network_of(pid: int) -> None:
    """Move this thread into the network namespace of process `pid`; OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(Path("/proc") / str(pid) / "ns" / "net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(namespace, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")
    finally:
        os.close(namespace)


def open_tun(name: str) -> int:
    """Create the TUN device `name` in the present namespace; return its file descriptor, non-blocking.

    The device lives as long as the descriptor. Each read is one IP packet, each write too. OSError.
    """
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except BaseException:
        os.close(tun)
        raise
    return tun
