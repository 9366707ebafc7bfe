"""The lab's locustfile in a process whose monotonic clock goes too fast by RTLAB_TEST_DRIFT_PPM: a clock for tests.

The stamps of this process and of the kernel are scaled alike, as a machine with a bad quartz has them.
"""

from __future__ import annotations

import os
import time

from loadtests.load.clients import sockets

_PPM = float(os.environ["RTLAB_TEST_DRIFT_PPM"])
_real_ns = time.monotonic_ns
_BEGAN_NS = _real_ns()


def _gained_ns() -> int:
    return int((_real_ns() - _BEGAN_NS) * _PPM / 1e6)


def _drifting_ns() -> int:
    return _real_ns() + _gained_ns()


class _Drifting(sockets.RealtimeOffset):
    """Turns a kernel stamp, of the wall clock, into an instant of the clock that drifts."""

    def __init__(self) -> None:
        super().__init__(time.time_ns, _real_ns)

    @property
    def offset_ns(self) -> int:
        return self._steady_ns - _gained_ns()

    @offset_ns.setter
    def offset_ns(self, value: int) -> None:
        self._steady_ns = value

    def refresh(self) -> None:
        """The wall clock is not stepped in a test."""


sockets.RealtimeOffset = _Drifting  # type: ignore[assignment,misc]
time.monotonic_ns = _drifting_ns

from loadtests.locustfile import *  # noqa: E402, F403
