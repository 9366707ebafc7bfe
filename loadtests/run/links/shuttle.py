"""The shuttle: carries IP packets between two TUN devices in two namespaces, as late and lossy as the link.

    python -m loadtests.run.links.shuttle LINK HOLDER_PID DEVICE SEED

One end is in this process' own namespace, the other in that of HOLDER_PID; both are called DEVICE. Prints one line,
`ready`, once both exist; they vanish with the process, however it ends. Real TCP runs over it: handshakes,
acknowledgements and retransmissions are the kernels' own.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import random
import select
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from loadtests.records.link_spec import QUEUE_PACKETS, parse
from loadtests.run.links import Direction

_PACKET_BYTES = 65_536
_BATCH = 64  # packets read from one side before the other one's turn: what is due must not wait for a flood
_IDLE_S = 3600.0
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


class Shuttle:
    """From one device to the other."""

    __slots__ = ("direction", "sink", "source", "waiting")

    def __init__(self, source: int, sink: int, direction: Direction) -> None:
        self.source = source
        self.sink = sink
        self.direction = direction
        self.waiting: deque[tuple[int, bytes]] = deque()  # due_ns, packet; ascending

    def take(self) -> None:
        """Read what has come and note when each packet is due."""
        waiting, admit = self.waiting, self.direction.admit
        for _ in range(_BATCH):
            try:
                packet = os.read(self.source, _PACKET_BYTES)
            except BlockingIOError:
                return
            due_ns = admit(time.monotonic_ns(), len(packet))
            if due_ns is not None and len(waiting) < QUEUE_PACKETS:
                waiting.append((due_ns, packet))

    def give(self) -> None:
        """Write what is due."""
        waiting = self.waiting
        while waiting and waiting[0][0] <= time.monotonic_ns():
            # A device that is down or full drops, as a line does; TCP sends again.
            with suppress(OSError):
                os.write(self.sink, waiting.popleft()[1])


def carry(directions: tuple[Shuttle, Shuttle]) -> None:
    """Carry for ever."""
    by_source = {direction.source: direction for direction in directions}
    sources = list(by_source)
    while True:
        due_ns = min((way.waiting[0][0] for way in directions if way.waiting), default=None)
        left_s = _IDLE_S if due_ns is None else max(0.0, (due_ns - time.monotonic_ns()) / 1e9)
        for source in select.select(sources, (), (), left_s)[0]:
            by_source[source].take()
        for way in directions:
            way.give()


def join_network_of(pid: int) -> None:
    """Move this thread into the network namespace of process `pid`; OSError. Python 3.11 does not bind setns(2)."""
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


def main(arguments: list[str]) -> int:
    """Open both devices and carry until killed."""
    text, holder, device, seed = arguments
    link = parse(text)
    if link is None:
        raise SystemExit(f"{text} needs no shuttle")
    near = open_tun(device)
    join_network_of(int(holder))
    far = open_tun(device)
    there, back = (Direction(link, random.Random(f"{seed}/{way}")) for way in ("there", "back"))
    # Ahead of whatever shares the core: a late shuttle is a longer link. Its work per packet is microseconds.
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    gc.freeze()
    gc.disable()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    carry((Shuttle(near, far, there), Shuttle(far, near, back)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
