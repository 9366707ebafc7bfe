"""What gevent's hub runs: alarms at absolute instants, sockets that are readable, and reads that wait to be parsed."""

from __future__ import annotations

import heapq
import sys
import time
from collections import deque
from collections.abc import Callable, Container
from typing import Any, NamedTuple, Protocol

import gevent
from gevent.monkey import get_original

from loadtests.load.users.kernel_calls import HAS_TIMERFD, TimerFd

_READ = 1


class Alarms:
    """One kernel timer for any number of alarms. Callbacks run in the hub: they must not wait.

    An alarm that is late (the process was held up) still rings, in its order; none is left out, whatever the one before
    it raised: gevent would stop the timer's watcher after an exception, and all alarms with it.
    """

    def __init__(self, *, use_timerfd: bool = HAS_TIMERFD) -> None:
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0  # ties are rung in the order of setting
        self._armed_ns = 0
        self._hub = gevent.get_hub()
        self._loop = self._hub.loop
        self._timer = TimerFd() if use_timerfd else None
        if self._timer is not None:
            self._watcher = self._loop.io(self._timer.fd, _READ)
            self._watcher.start(self._ring)
        else:
            self._watcher = self._loop.timer(0)

    def at(self, due_ns: int, callback: Callable[[], None]) -> None:
        """Call `callback` once CLOCK_MONOTONIC has reached `due_ns`."""
        self._count += 1
        heapq.heappush(self._heap, (due_ns, self._count, callback))
        if not self._armed_ns or due_ns < self._armed_ns:
            self._arm()

    def close(self) -> None:
        """Forget all alarms and give the timer back."""
        self._heap.clear()
        self._watcher.stop()
        self._watcher.close()
        if self._timer is not None:
            self._timer.close()

    def _ring(self) -> None:
        if self._timer is not None:
            self._timer.clear()
        self._armed_ns = 0
        heap = self._heap
        try:
            while heap and heap[0][0] <= time.monotonic_ns():
                callback = heapq.heappop(heap)[2]
                try:
                    callback()
                except Exception:  # noqa: BLE001  # printed with its traceback, as for any greenlet
                    self._hub.handle_error(callback, *sys.exc_info())
        finally:
            if heap and not self._armed_ns:
                self._arm()

    def _arm(self) -> None:
        due_ns = self._heap[0][0]
        self._armed_ns = due_ns
        if self._timer is not None:
            self._timer.arm(due_ns)
            return
        self._watcher.stop()
        self._watcher.close()
        self._watcher = self._loop.timer(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
        self._watcher.start(self._ring)


HAS_EPOLL = sys.platform == "linux"
MOST_SOCKETS = 32  # sockets served before the hub's next turn


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

    def take(self, read: Read) -> None:
        """Parse one read."""


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
        """Drop what was not parsed."""
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
