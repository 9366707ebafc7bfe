"""One epoll and one heap of timers. Everything runs in the caller's thread; a callback must not wait."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
_MOST = 64  # sockets served before a look at the epoll again
_PATIENCE_S = 0.05


class Loop:
    """Calls back for sockets that are ready, and at instants of CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0  # ties are called in the order of setting

    def watch(self, fd: int, callback: Callable[[int], None], mask: int) -> None:
        """Call `callback` with epoll's mask whenever `fd` is ready."""
        self._ready[fd] = callback
        self._epoll.register(fd, mask)

    def change(self, fd: int, mask: int) -> None:
        """Watch `fd` for something else."""
        self._epoll.modify(fd, mask)

    def forget(self, fd: int) -> None:
        """Watch no more; before `fd` is closed."""
        if self._ready.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def at(self, due_ns: int, callback: Callable[[], None]) -> None:
        """Call `callback` once, at `due_ns` or as soon as the loop runs after it."""
        self._count += 1
        heapq.heappush(self._timers, (due_ns, self._count, callback))

    def run(self, until: Callable[[], bool], timeout_s: float, check: Callable[[], None]) -> bool:
        """Serve until `until()` holds; False when it does not within `timeout_s`. `check` may raise."""
        limit_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        while not until():
            check()
            if time.monotonic_ns() > limit_ns:
                return False
            self._turn()
        return True

    def close(self) -> None:
        """Give the descriptor back."""
        self._epoll.close()

    def _turn(self) -> None:
        patience_s = _PATIENCE_S
        if self._timers:
            patience_s = min(patience_s, max(0.0, (self._timers[0][0] - time.monotonic_ns()) / 1e9))
        for fd, mask in self._epoll.poll(patience_s, _MOST):
            callback = self._ready.get(fd)  # an earlier one of this turn may have closed it
            if callback is not None:
                callback(mask)
            self._ring()
        self._ring()

    def _ring(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= time.monotonic_ns():
            heapq.heappop(timers)[2]()
