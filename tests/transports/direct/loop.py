"""An event loop as a batcher sees it, in the hands of a test."""

from __future__ import annotations

from collections.abc import Callable

from tests.transports.direct.sink import FakeSink
from transports.direct.services import LoopServices


class Loop:
    """Turns and timers of an event loop whose clock moves only when asked to."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._turn: list[Callable[[], None]] = []
        self._timers: list[tuple[float, Timer]] = []

    def services(self, coalesce_s: float = 0.0, few: int = 0) -> LoopServices:
        """What a batcher needs of the world."""
        return LoopServices(self.defer, self.later, lambda: self.now_s, FakeSink.write_to_each, coalesce_s, few)

    @property
    def idle(self) -> bool:
        """Whether nothing is left for the next turn."""
        return not self._turn

    def defer(self, callback: Callable[[], None]) -> None:
        self._turn.append(callback)

    def later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        self._timers.append((self.now_s + delay_s, timer))
        return timer

    def end_turn(self) -> None:
        """End this turn."""
        due, self._turn = self._turn, []
        for callback in due:
            callback()

    def end_turns(self) -> None:
        """End this turn, and the quiet ones after it."""
        while self._turn:
            self.end_turn()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and ring the timers that fall into it."""
        self.end_turns()
        self.now_s += seconds
        due = [timer for at_s, timer in self._timers if at_s <= self.now_s]
        self._timers = [(at_s, timer) for at_s, timer in self._timers if at_s > self.now_s]
        for timer in due:
            timer.ring()
        self.end_turns()


class Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def ring(self) -> None:
        if self._callback is not None:
            self._callback()
