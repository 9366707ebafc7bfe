"""Ctrl-C in order: a signal is noted when it comes and acted on at safe points only.

An exception out of a signal handler could fall between starting a process and remembering it.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

from loadtests.lab.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """While entered (main thread only), SIGINT and SIGTERM are noted; `check` then raises Interrupted."""

    def __init__(self) -> None:
        """Prepare; nothing is installed yet."""
        self._noted: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self._noted is not None:
            raise Interrupted("stopped by Ctrl-C" if self._noted is signal.SIGINT else "stopped by SIGTERM")

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = signal.Signals(number)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
