"""Which sockets have something to read: one epoll of ours in gevent's hub, asked for a few sockets at a time.

With a watcher of gevent's for each socket the hub serves all that are ready before it looks at a timer: of 500
subscribers a publisher would wait for 500 reads. Here timers wait for `MOST` of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import gevent
from gevent.monkey import get_original

AVAILABLE = sys.platform == "linux"
MOST = 32  # sockets served before the hub's next turn

_READ = 1


class Readers:
    """Calls back for every socket that is readable, until it has been read. Made and used in the hub."""

    def __init__(self, *, use_epoll: bool = AVAILABLE) -> None:
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
        for fd, _ in self._epoll.poll(0, MOST):
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
