"""Callbacks at absolute instants, run by gevent's hub: the schedule of publishers, poll grids and health."""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Callable

import gevent

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
