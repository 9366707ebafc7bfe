"""The shuttle: carries IP packets between two TUN devices in two namespaces, late, with gaps or slowly, as told.

    python -m loadtests.run.links.shuttle LINK HOLDER_PID DEVICE SEED

One end is in this process' own namespace, the other in that of HOLDER_PID; both are called DEVICE. Prints one line,
`ready`, once both exist; they vanish with the process, however it ends. Real TCP runs over it: handshakes,
acknowledgements and retransmissions are the kernels' own.
"""

from __future__ import annotations

import gc
import os
import random
import select
import sys
import time
from collections import deque
from contextlib import suppress

from loadtests.records.link_spec import QUEUE_PACKETS, parse
from loadtests.run.links.lane import Lane
from loadtests.run.links.syscalls import join_network_of, open_tun

_PACKET_BYTES = 65_536
_BATCH = 64  # packets read from one side before the other one's turn: what is due must not wait for a flood
_IDLE_S = 3600.0


class Direction:
    """From one device to the other."""

    __slots__ = ("lane", "sink", "source", "waiting")

    def __init__(self, source: int, sink: int, lane: Lane) -> None:
        self.source = source
        self.sink = sink
        self.lane = lane
        self.waiting: deque[tuple[int, bytes]] = deque()  # due_ns, packet; ascending

    def take(self) -> None:
        """Read what has come and note when each packet is due."""
        waiting, admit = self.waiting, self.lane.admit
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


def carry(directions: tuple[Direction, Direction]) -> None:
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


def main(arguments: list[str]) -> int:
    """Open both devices and carry until killed."""
    text, holder, device, seed = arguments
    link = parse(text)
    if link is None:
        raise SystemExit(f"{text} needs no shuttle")
    near = open_tun(device)
    join_network_of(int(holder))
    far = open_tun(device)
    there, back = (Lane(link, random.Random(f"{seed}/{way}")) for way in ("there", "back"))
    # Ahead of whatever shares the core: a late shuttle is a longer link. Its work per packet is microseconds.
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    gc.freeze()
    gc.disable()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    carry((Direction(near, far, there), Direction(far, near, back)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
