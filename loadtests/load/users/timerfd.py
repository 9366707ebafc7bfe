"""A timer of the kernel as a file descriptor (Linux, timerfd_create(2)): Python 3.11 has no binding of its own.

`gevent.sleep` rounds up to the millisecond of epoll_wait; a timerfd wakes the same hub some 0.1 ms after its instant.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

AVAILABLE = sys.platform == "linux"

_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerFd:
    """One timer on CLOCK_MONOTONIC; `fd` is readable once its instant has passed. Raises OSError."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise _last_error("timerfd_create")
        self._spec = _Itimerspec()

    def arm(self, due_ns: int) -> None:
        """Set the instant anew; one that has passed makes `fd` readable at once."""
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(max(due_ns, 1), 1_000_000_000)  # 0 would disarm
        if self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None):
            raise _last_error("timerfd_settime")

    def clear(self) -> None:
        """Make `fd` unreadable until the next instant."""
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
