from __future__ import annotations

from itertools import count

from loadtests.load.clients.sockets import RealtimeOffset

_WALL_NS = 1_700_000_000_000_000_000


class Clocks:
    """Two clocks of one machine; a reading takes `reading_ns`, an interrupted one longer."""

    def __init__(self) -> None:
        self.now_ns = 5_000
        self.offset_ns = _WALL_NS
        self.reading_ns = 100
        self.interrupted_every = 0
        self._readings = count(1)

    def _pass(self) -> None:
        self.now_ns += self.reading_ns
        if self.interrupted_every and next(self._readings) % self.interrupted_every == 0:
            self.now_ns += 1_000_000

    def monotonic_ns(self) -> int:
        self._pass()
        return self.now_ns

    def realtime_ns(self) -> int:
        self._pass()
        return self.now_ns + self.offset_ns


def _measure(clocks: Clocks) -> RealtimeOffset:
    return RealtimeOffset(clocks.realtime_ns, clocks.monotonic_ns)


def test_the_offset_is_known_to_its_uncertainty() -> None:
    offset = _measure(Clocks())
    assert abs(offset.offset_ns - _WALL_NS) <= offset.uncertainty_ns <= 101


def test_interrupted_readings_are_not_believed() -> None:
    clocks = Clocks()
    clocks.interrupted_every = 5
    offset = _measure(clocks)
    assert abs(offset.offset_ns - _WALL_NS) <= offset.uncertainty_ns <= 101


def test_a_tighter_sample_replaces_a_wider_one_and_not_the_other_way_round() -> None:
    clocks = Clocks()
    clocks.reading_ns = 1_000
    offset = _measure(clocks)
    wide_ns = offset.uncertainty_ns
    clocks.reading_ns = 50
    offset.refresh()
    tight_ns = offset.uncertainty_ns
    assert tight_ns < wide_ns
    clocks.reading_ns = 1_000
    offset.refresh()
    assert (offset.uncertainty_ns, offset.steps) == (tight_ns, 0)


def test_a_step_of_the_wall_clock_is_taken_over_and_counted() -> None:
    clocks = Clocks()
    offset = _measure(clocks)
    clocks.offset_ns -= 3_000_000_000
    offset.refresh()
    assert offset.steps == 1
    assert abs(offset.offset_ns - clocks.offset_ns) <= offset.uncertainty_ns


def test_slewing_moves_both_clocks_and_is_no_step() -> None:
    clocks = Clocks()
    offset = _measure(clocks)
    for _ in range(100):
        clocks.now_ns += 1_000_500_000
        offset.refresh()
    assert (offset.steps, abs(offset.offset_ns - _WALL_NS) <= 101) == (0, True)


def test_the_real_clocks_agree_with_themselves() -> None:
    offset = RealtimeOffset()
    offset.refresh()
    assert offset.steps == 0
