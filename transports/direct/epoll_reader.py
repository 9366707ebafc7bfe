"""One epoll for many connections that seldom speak: all that have sent something are found with one call, and read in
one loop.

An event loop gives each connection that has become readable a buffer, a callback and a turn through its protocol. Where
thousands send the same at once, that is most of what it costs to read them.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from transports.direct.services import for_each

MANY: Final = 8  # that speak at once; fewer are read as fast by their transports
_AT_ONCE: Final = 1024
_READ_BYTES: Final = 32_768

T = TypeVar("T")


def read_each(descriptors: Sequence[int]) -> list[bytes]:
    """What each has to say, as far as one read takes it: nothing where it has ended, or the read failed."""
    return for_each(os.read, b"", descriptors, _READ_BYTES)


class EpollReader(Generic[T]):
    """Reads connections whose transports do not, by the numbers of their sockets. Linux only (epoll(7)).

    `hear` gets all who have sent something, and what. Of one who sends more than a read takes, or has ended, nothing
    more is read here: such a connection has to be discarded, and read by its transport.
    """

    def __init__(self, hear: Callable[[list[T], list[bytes]], None]) -> None:
        self._hear = hear
        self._speakers: dict[int, T] = {}
        self._ready: select.epoll | None = None

    def __len__(self) -> int:
        return len(self._speakers)

    def add(self, descriptor: int, speaker: T) -> bool:
        """Read this socket from now on, and what waits in it. Returns whether the kernel can do that."""
        if sys.platform != "linux":
            return False
        try:
            if self._ready is None:
                self._ready = select.epoll()
                asyncio.get_running_loop().add_reader(self._ready.fileno(), self._read)
            # By edges: each is looked at once for what it says, and not again to see that it has said no more.
            self._ready.register(descriptor, select.EPOLLIN | select.EPOLLET)
        except OSError:  # it watches no more than so many
            return False
        self._speakers[descriptor] = speaker
        return True

    def discard(self, descriptor: int) -> None:
        """Read it no longer. To be called before the socket is closed: its number may be another one's after that."""
        if self._ready is not None and self._speakers.pop(descriptor, None) is not None:
            self._ready.unregister(descriptor)

    def _read(self) -> None:
        assert self._ready is not None
        descriptors = [descriptor for descriptor, _ in self._ready.poll(0, _AT_ONCE)]
        said = read_each(descriptors)
        # All are looked up before the first is heard, by which others may go and their numbers be given away.
        self._hear([self._speakers[descriptor] for descriptor in descriptors], said)
