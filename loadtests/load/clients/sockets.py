"""Non-blocking TCP sockets with kernel receive stamps, the clock those stamps are converted to, and the file limit.

`_socket.socket` and not `socket.socket`: Locust's monkey-patching replaces the latter, and a patched receive costs
twice as much as the system call inside it. Nothing here ever waits.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import time
from _socket import socket as RawSocket  # noqa: N812
from array import array
from collections.abc import Callable
from typing import NamedTuple

if sys.platform == "linux":
    import fcntl
    import termios

SO_ATTACH_FILTER = 26  # likewise
SO_TIMESTAMPNS = 35  # linux/asm-generic/socket.h; the Python module does not name it
HAS_KERNEL_STAMPS = sys.platform == "linux"
ANCILLARY_BYTES = 64  # one control message: a 16-byte header and a struct timespec

_DROP_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0)  # a BPF program of one instruction: return 0 bytes of the packet
_TIMESPEC = struct.Struct("@qq")
_TCP_INFO_BYTES = 256


_TIMESTAMPS = 1  # TCPI_OPT_TIMESTAMPS of linux/tcp.h: every segment after the handshake carries that option
_TIMESTAMPS_BYTES = 12
_TCP_HEADER_BYTES = 20
_IP_HEADER_BYTES = {socket.AF_INET: 20, socket.AF_INET6: 40}


class SocketTotals(NamedTuple):
    """TCP_INFO since the connection opened. Bytes are TCP's payload, TLS records included, or headers of IP and TCP."""

    bytes_received: int  # those that the socket still holds unread are left out
    bytes_sent: int
    segments_in: int
    segments_out: int
    header_bytes_in: int  # of IP and TCP; Ethernet's are left out
    header_bytes_out: int
    acks_in: int  # of the segments, those without data
    acks_out: int


def open_stream(family: int) -> RawSocket:
    """Open a non-blocking TCP socket without Nagle's delay, kernel receive stamps on where there are any."""
    sock = RawSocket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if HAS_KERNEL_STAMPS:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def start_connect(sock: RawSocket, address: tuple[str, int]) -> None:
    """Begin to connect; the socket becomes writable when `finish_connect` can tell how it went."""
    outcome = sock.connect_ex(address)
    if outcome not in (0, errno.EINPROGRESS):
        raise OSError(outcome, os.strerror(outcome))


def finish_connect(sock: RawSocket) -> None:
    """Raise the OSError that the connection attempt ended with, if it did."""
    outcome = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if outcome:
        raise OSError(outcome, os.strerror(outcome))


def pull_cable(sock: RawSocket) -> None:
    """Let the kernel discard what comes for `sock` from now on, unacknowledged; its close will be a reset.

    Nothing tells the peer until then, as with a pulled cable; a host that is back resets what it does not know any
    more. Only Linux can; elsewhere what comes is acknowledged, and never read.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if sys.platform == "linux":
        program = array("B", _DROP_ALL)
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, program.buffer_info()[0]))


def realtime_stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The kernel's receive stamp in a recvmsg's ancillary data, CLOCK_REALTIME ns; 0 where there is none.

    A read that took several segments carries the last one's stamp.
    """
    for level, kind, data in ancillary:
        if kind == SO_TIMESTAMPNS and level == socket.SOL_SOCKET:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return 0


def read_totals(sock: RawSocket) -> SocketTotals | None:
    """TCP_INFO's counters; None where this kernel does not have them (macOS, Linux before 4.19)."""
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:
        return None
    if len(info) < 208:
        return None
    # struct tcp_info in linux/tcp.h: options at 5, bytes_received at 128, segs_out at 136, segs_in at 140,
    # data_segs_in at 152, data_segs_out at 156, bytes_sent at 200.
    bytes_received, segments_out, segments_in, _, _, with_data_in, with_data_out = struct.unpack_from("=Q6I", info, 128)
    (bytes_sent,) = struct.unpack_from("=Q", info, 200)
    options_bytes = _TIMESTAMPS_BYTES if info[5] & _TIMESTAMPS else 0
    header_bytes = _IP_HEADER_BYTES[socket.AddressFamily(sock.family)] + _TCP_HEADER_BYTES + options_bytes
    return SocketTotals(
        bytes_received=bytes_received - _unread_bytes(sock),
        bytes_sent=bytes_sent,
        segments_in=segments_in,
        segments_out=segments_out,
        header_bytes_in=segments_in * header_bytes,
        header_bytes_out=segments_out * header_bytes,
        acks_in=segments_in - with_data_in,
        acks_out=segments_out - with_data_out,
    )


def _unread_bytes(sock: RawSocket) -> int:
    held = array("i", [0])
    if sys.platform != "linux":
        return 0
    try:
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, held)
    except OSError:
        return 0
    return held[0]


class RealtimeOffset:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC in nanoseconds, with its uncertainty and the steps seen.

    The same timekeeper drives both clocks: NTP's slewing and frequency corrections move them alike. Their difference is
    constant until somebody *steps* the wall clock (settimeofday, a leap second). So the tightest sample is kept; a new
    one replaces it only when it is tighter, or contradicts it by more than both uncertainties: that is a step.
    """

    __slots__ = ("_monotonic_ns", "_realtime_ns", "offset_ns", "steps", "uncertainty_ns")

    def __init__(
        self, realtime_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._realtime_ns = realtime_ns
        self._monotonic_ns = monotonic_ns
        self.steps = 0
        self.offset_ns, self.uncertainty_ns = self._sample(tries=64)

    def refresh(self) -> None:
        """Sample again; call it about once a second. A contradiction counts as a step of the wall clock."""
        offset_ns, uncertainty_ns = self._sample(tries=8)
        stepped = abs(offset_ns - self.offset_ns) > uncertainty_ns + self.uncertainty_ns
        self.steps += stepped
        if stepped or uncertainty_ns < self.uncertainty_ns:
            self.offset_ns, self.uncertainty_ns = offset_ns, uncertainty_ns

    def _sample(self, tries: int) -> tuple[int, int]:
        # A reading between two others is off by at most half their distance: an interrupted try is wide, and loses.
        best_ns, best_width_ns = 0, -1
        for _ in range(tries):
            before_ns = self._monotonic_ns()
            realtime_ns = self._realtime_ns()
            after_ns = self._monotonic_ns()
            width_ns = after_ns - before_ns
            if best_width_ns < 0 or width_ns < best_width_ns:
                best_ns, best_width_ns = realtime_ns - (before_ns + after_ns) // 2, width_ns
        return best_ns, best_width_ns // 2 + 1


_WANTED_FILES = 65_536


def raise_file_limit() -> int | None:
    """Raise the limit of open files as far as is allowed and useful, children inherit it; return it, None for none."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return None if soft == resource.RLIM_INFINITY else soft


def too_few_files(connections: int, spare: int) -> str:
    """Raise the limit; return why so many connections and `spare` other files don't fit, empty if they do."""
    limit, needed = raise_file_limit(), connections + spare
    if limit is None or limit >= needed:
        return ""
    return f"{connections} connections need {needed} open files; the limit is {limit} (ulimit -n)"
