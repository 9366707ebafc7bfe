"""When clients come back: anywhere within the window, later after failures, or one for each that is admitted."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from loadtests.load.storm.comeback import Gate, Window
from loadtests.load.storm.loop import Loop


class _Noting(Loop):
    """Notes in how many seconds it is to call back."""

    def __init__(self) -> None:
        super().__init__()
        self.in_s: list[float] = []

    def at(self, due_ns: int, callback: object) -> None:
        self.in_s.append((due_ns - time.monotonic_ns()) / 1e9)


@pytest.fixture
def loop() -> Iterator[_Noting]:
    noting = _Noting()
    yield noting
    noting.close()


def _nothing() -> None: ...


def test_clients_come_back_evenly_within_the_window(loop: _Noting) -> None:
    window = Window(loop, 8.0, random.Random(1))
    for _ in range(1000):
        window.ended(_nothing, 0)
    assert max(loop.in_s) < 8.0
    assert sum(loop.in_s) / 1000 == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize(
    ("window_s", "failures", "longest_s"), [(0.01, 1, 0.5), (8.0, 1, 8.0), (1.0, 2, 2.0), (1.0, 9, 10.0)]
)
def test_who_fails_twice_waits_longer_up_to_a_bound(
    loop: _Noting, window_s: float, failures: int, longest_s: float
) -> None:
    window = Window(loop, window_s, random.Random(1))
    for _ in range(200):
        window.ended(_nothing, failures)
    assert 0.9 * longest_s < max(loop.in_s) < longest_s


def test_the_gate_lets_one_start_for_each_that_is_back_and_keeps_the_place_of_who_failed(loop: _Noting) -> None:
    started: list[int] = []
    gate = Gate(loop, most=2)
    for number in range(4):
        gate.ended(lambda number=number: started.append(number), 0)  # type: ignore[misc]
    assert started == [0, 1]
    gate.ended(_nothing, 1)
    assert (started, len(loop.in_s)) == ([0, 1], 1)
    gate.back()
    gate.back()
    gate.back()
    gate.ended(lambda: started.append(4), 0)
    assert started == [0, 1, 2, 3, 4]
