"""Run a server's command, and end all that it started: when it ends, on SIGTERM, and so when the lab is gone.

`python -I keeper.py FOLDER COMMAND …` ends as the command does. On Linux it adopts what the command leaves behind, such
as a daemon in a session of its own (prctl(2), PR_SET_CHILD_SUBREAPER). It imports nothing of the lab, since it has the
server's environment. Only SIGKILL of it, or of the lab where the kernel tells nobody (macOS), leaves anything.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

STOP_S = 3.0  # for the command, and then for what it leaves
_POLL_S = 0.01
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_HEEDED = (signal.SIGTERM, signal.SIGCHLD)


def main(folder: str, *command: str) -> int:
    """Run the command; return its exit code, -N for signal N."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # one that is ignored might not be waited for
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
    try:
        os.chdir(folder)
        leader = os.posix_spawnp(command[0], command, os.environ, setsigmask=(), setsigdef=_HEEDED)
    except OSError as error:
        print(f"error: {command[0]} can't be started: {error.strerror}", file=sys.stderr)
        return 127
    codes: dict[int, int] = {}
    while leader not in codes and signal.sigwait(_HEEDED) == signal.SIGCHLD:
        _reap(codes)
    if leader not in codes:
        _send((leader,), signal.SIGTERM)
        _wait(lambda: leader in codes, codes)
        _send((leader,), signal.SIGKILL)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _send(_started(), number)
        _wait(lambda: not _started(), codes)
    return codes.get(leader, -signal.SIGKILL)


def _started() -> set[int]:
    """Return all that the command started: also what it left, and what is in its session."""
    import psutil  # takes longer than to start a server

    found = {child.pid for child in psutil.Process().children(recursive=True)}
    for pid in psutil.pids():
        with suppress(OSError):
            if os.getsid(pid) == os.getsid(0):
                found.add(pid)
    return found - {os.getpid()}


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(OSError):  # it has just ended, or became another user's
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # one that somebody stopped takes its end only then


def _wait(over: Callable[[], bool], codes: dict[int, int]) -> None:
    deadline_s = time.monotonic() + STOP_S
    while not over() and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        _reap(codes)


def _reap(codes: dict[int, int]) -> None:
    """Note the exit codes of the children that have ended."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            codes[ended[0]] = os.waitstatus_to_exitcode(ended[1])


if __name__ == "__main__":
    ended = main(*sys.argv[1:])
    if ended < 0:
        with suppress(OSError):  # of SIGKILL nothing can be set
            signal.signal(-ended, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (-ended,))
        os.kill(os.getpid(), -ended)
    sys.exit(ended)
