"""No child outlives the lab, whatever ends it: SIGKILL leaves nobody to stop them in order.

Linux: the kernel kills a child when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG), even one that is
stopped. That does not reach a child's own children: the instances of a server and the generators, which a zygote forks,
hold the reading end of a pipe that closes with its writer. Where the kernel does not bind them, servers hold one too.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache

VARIABLE = "RTLAB_LEASH_FD"
"""Names the descriptor of the pipe to a server of ours, which ends when it closes (`transports.instances`)."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def end_with_us(before: Callable[[], object] | None = None) -> Callable[[], None] | None:
    """Return the `preexec_fn` of a child that is not to outlive this process; it calls `before` too.

    A thread's children would end with the thread: only the main thread's are bound.
    """
    libc, ours = _LIBC, os.getpid()
    if libc is None or threading.current_thread() is not threading.main_thread():
        return None if before is None else lambda: _call(before)

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != ours:  # we ended before the kernel knew
            os._exit(1)
        if before is not None:
            before()

    return bind


@cache
def leash() -> int:
    """Return the reading end of a pipe that nobody writes to and that closes with this process."""
    reading, _ = os.pipe()  # the writing end is inherited by nobody, and stays open
    return reading


def leashed() -> dict[str, str]:
    """Return what a server's environment needs beside where the kernel does not bind it; `pass_fds` goes with it."""
    return {} if _LIBC is not None else {VARIABLE: str(leash())}


def _call(before: Callable[[], object]) -> None:
    before()
