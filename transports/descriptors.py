"""File descriptors: a server needs some, and one more for each connection. When none is left, uvloop closes without a
word whoever comes.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from typing import Final

from core.settings import SettingError

LEAST: Final = 128  # listeners, event loop, Redis, and some clients
_LEFT: Final = 8  # so few are as good as none: whoever comes next may be closed
_PAUSE_S: Final = 60.0  # between two warnings

_log: Final = logging.getLogger("rtlab.descriptors")


def refuse_too_few() -> None:
    """Raise SettingError when this process may open fewer descriptors than it needs to serve."""
    allowed = _allowed()
    if allowed < LEAST:
        raise SettingError(
            f"this process may have {allowed} file descriptors: at least {LEAST} are needed, "
            "and one more for each connection (ulimit -n)"
        )


class DescriptorWatch:
    """Warns, at most once a minute, when the descriptors run out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._warned_s = -_PAUSE_S

    def note(self, descriptor: int) -> None:
        """Look at a new connection's: the system gives the lowest number that is free."""
        allowed = _allowed()
        if descriptor < allowed - _LEFT or self._clock() - self._warned_s < _PAUSE_S:
            return
        self._warned_s = self._clock()
        _log.warning(
            "%d of %d file descriptors are in use: further connections are closed as they come; "
            "allow more (ulimit -n), or start more instances",
            descriptor + 1,
            allowed,
        )


def _allowed() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft
