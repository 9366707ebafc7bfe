"""Ctrl-C in order: a signal is noted when it comes and acted on at safe points only.

An exception out of a signal handler could fall between starting a process and remembering it.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

from loadtests.records.errors import Interrupted

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupt:
    """While entered (main thread only), SIGINT, SIGTERM and SIGHUP are noted; `check` then raises Interrupted.

    SIGHUP is left alone where it is ignored, as under nohup.
    """

    def __init__(self) -> None:
        """Prepare; nothing is installed yet."""
        self._noted: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self._noted is not None:
            raise Interrupted(f"stopped by {'Ctrl-C' if self._noted is signal.SIGINT else self._noted.name}")

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = signal.Signals(number)

    def __enter__(self) -> Self:
        heeded = [each for each in _SIGNALS if each is signal.SIGINT or signal.getsignal(each) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
