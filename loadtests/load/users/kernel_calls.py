"""Calls of the Linux kernel that Python 3.11 has no binding for: timers as descriptors, and short scheduler slices."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import time

HAS_TIMERFD = sys.platform == "linux"

_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerFd:
    """One timer on CLOCK_MONOTONIC (timerfd_create(2)); `fd` is readable once its instant has passed. Raises OSError.

    `gevent.sleep` rounds up to the millisecond of epoll_wait; a timerfd wakes the same hub 0.1 ms after its instant.
    """

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


_SLICE_NS = 100_000  # the shortest that the kernel takes
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine()) if sys.platform == "linux" else None
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # struct sched_attr: size, policy, flags, nice, priority, runtime and two more
_KEEP_POLICY = 0x08


def shorten_slices() -> None:
    """Ask the scheduler for short slices, for this thread and those it starts (sched_setattr(2)).

    A task that wakes may have to wait until the running one has had its slice; that wait then stands in a lateness or a
    receive gap. Since Linux 6.12 a task may ask for a shorter slice, and is then admitted before one with a longer
    slice; its share of the processor stays the same. It needs no privilege. Older kernels take the request and do
    nothing; other systems are not asked.
    """
    if _SCHED_SETATTR is None:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, _KEEP_POLICY, nice, 0, _SLICE_NS, 0, 0)
    ctypes.CDLL(None).syscall(_SCHED_SETATTR, 0, attributes, 0)  # a refusal leaves things as they are
