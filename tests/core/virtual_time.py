"""An event loop whose clock jumps to the next timer when there is nothing else to do: no test waits for real."""

from __future__ import annotations

import asyncio
import selectors

START_S = 1000.0
TURNS_AT_ONE_TIME = 100_000  # more than any test needs: tasks that wake each other for ever never let time pass


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = START_S
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self._turns += 1
        if not ready and timeout is None:
            raise RuntimeError("deadlock: every task waits, and no timer is set")
        if not ready and timeout:
            self.now_s += timeout
            self._turns = 0
        if self._turns > TURNS_AT_ONE_TIME:
            raise RuntimeError(f"livelock: {self._turns} turns of the loop at one time")
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Only for code that does no real I/O: a socket's answer would always come too late."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s
