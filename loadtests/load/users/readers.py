"""Which sockets are readable, and what was read and not parsed yet: the hub reads first, and parses afterwards."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Container
from typing import Any, NamedTuple, Protocol

import gevent
from gevent.monkey import get_original

HAS_EPOLL = sys.platform == "linux"
MOST_SOCKETS = 32  # sockets served before the hub's next turn

_READ = 1


class Readers:
    """Calls back for every socket that is readable, until it has been read. Made and used in the hub.

    One epoll of ours is asked for `MOST_SOCKETS` sockets at a time. With a watcher of gevent's for each socket the hub
    would serve all that are ready before it looks at a timer: of 500 subscribers a publisher would wait for 500 reads.
    """

    def __init__(self, *, use_epoll: bool = HAS_EPOLL) -> None:
        self._hub = gevent.get_hub()
        self._loop = self._hub.loop
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._watchers: dict[int, Any] = {}  # of the epoll; where there is none, of each socket
        self._epoll: Any = None
        if use_epoll:
            self._epoll = get_original("select", "epoll")()  # gevent takes it away where it patches
            self._watch(self._epoll.fileno(), self._serve)

    def add(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback`, which must not wait, whenever `fd` is readable or has ended."""
        self._callbacks[fd] = callback
        if self._epoll is not None:
            self._epoll.register(fd, _READ)  # EPOLLIN has the same value
        else:
            self._watch(fd, callback)

    def remove(self, fd: int) -> None:
        """Call back no more; before `fd` is closed. Harmless for one that is not there."""
        if self._callbacks.pop(fd, None) is None:
            return
        if self._epoll is not None:
            self._epoll.unregister(fd)
        else:
            self._unwatch(fd)

    def close(self) -> None:
        """Give the descriptors back."""
        self._callbacks.clear()
        for fd in tuple(self._watchers):
            self._unwatch(fd)
        if self._epoll is not None:
            self._epoll.close()

    def _serve(self) -> None:
        callbacks = self._callbacks
        for fd, _ in self._epoll.poll(0, MOST_SOCKETS):
            callback = callbacks.get(fd)  # an earlier one of this turn may have removed it
            if callback is None:
                continue
            try:
                callback()
            except Exception:  # noqa: BLE001  # gevent would stop the watcher, and no socket would be read again
                self._hub.handle_error(callback, *sys.exc_info())

    def _watch(self, fd: int, callback: Callable[[], None]) -> None:
        watcher = self._watchers[fd] = self._loop.io(fd, _READ)
        watcher.start(callback)

    def _unwatch(self, fd: int) -> None:
        watcher = self._watchers.pop(fd)
        watcher.stop()
        watcher.close()


SLICE_NS = 100_000  # what parsing may keep a socket or an alarm waiting, give or take one item
MOST_READS = 4_096  # reads kept; past that the generator is overloaded, and parses at once (the receive gap shows it)


class Taker(Protocol):
    """Where an item goes when its turn comes."""

    def take(self, read: Read) -> None: ...


class Read(NamedTuple):
    """One read of one socket; no bytes: the peer ended the connection, or `failure` did."""

    data: bytes
    ancillary: list[tuple[int, int, bytes]]
    user_ns: int  # CLOCK_MONOTONIC, right after the read
    failure: str = ""


class Inbox:
    """Reads of all sockets of one process, in their order, parsed when no socket has more.

    A message for 200 subscribers makes 200 sockets readable within two milliseconds. Reading one costs some 5 us,
    parsing and recording 15 more: done in turn, the last socket would be read milliseconds after its kernel stamp, and
    what came in between would be read together with it. So a read only keeps the bytes and the two stamps. libev's idle
    watcher, which runs when nothing else is pending, does the rest, in slices so short that no timer or socket waits.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Taker, Read]] = deque()
        self._idle = gevent.get_hub().loop.idle()
        self._started = False

    def put(self, taker: Taker, read: Read) -> None:
        """Keep `read` for `taker`; called in the hub."""
        self._waiting.append((taker, read))
        if not self._started:
            self._started = True
            self._idle.start(self._look)
        elif len(self._waiting) > MOST_READS:
            self._look()

    def unparsed_bytes(self, takers: Container[Taker]) -> int:
        """Return how many bytes of these takers were read and not looked at yet."""
        return sum(len(read.data) for taker, read in self._waiting if taker in takers)

    def close(self) -> None:
        """Forget what nobody looked at."""
        self._waiting.clear()
        self._idle.stop()
        self._idle.close()

    def _look(self) -> None:
        waiting = self._waiting
        until_ns = time.monotonic_ns() + SLICE_NS
        while waiting:
            taker, read = waiting.popleft()
            taker.take(read)
            if time.monotonic_ns() >= until_ns:
                return
        self._idle.stop()
        self._started = False
