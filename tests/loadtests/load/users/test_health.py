"""How late the hub was: every tick counts, those that a stall swallowed too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.load.users import health as module
from loadtests.load.users.health import GeneratorHealth
from loadtests.records.schema import Phase

MS = 1_000_000


class Clock:
    """A clock that only moves when asked to, and the alarms set by it."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.due: list[tuple[int, Any]] = []

    def at(self, due_ns: int, callback: Any) -> None:
        self.due.append((due_ns, callback))

    def ring(self, late_ns: int = 0) -> None:
        due_ns, callback = self.due.pop(0)
        self.now_ns = max(self.now_ns, due_ns + late_ns)
        callback()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic_ns=lambda: made.now_ns, process_time=lambda: 0.0))
    return made


@pytest.fixture
def cell(clock: Clock) -> SimpleNamespace:
    return SimpleNamespace(
        alarms=clock,
        recorder=SimpleNamespace(deliveries=0),
        reporter=SimpleNamespace(adapt=lambda _: None),
        clock=SimpleNamespace(steps=0, refresh=lambda: None),
        noted=[],
    )


@pytest.fixture
def health(cell: SimpleNamespace) -> GeneratorHealth:
    made = GeneratorHealth(cell, lambda: None)  # type: ignore[arg-type]
    made.start()
    return made


def test_ticks_in_time_have_no_lag(clock: Clock, health: GeneratorHealth) -> None:
    for _ in range(50):
        clock.ring(late_ns=MS // 10)
    assert health.lag_ms_p99(0, 500 * MS) == pytest.approx(0.1)
    assert health.lag_ms_p99(900 * MS, 950 * MS) is None


def test_a_stall_counts_for_every_tick_it_swallowed(clock: Clock, health: GeneratorHealth) -> None:
    for _ in range(50):
        clock.ring()
    clock.ring(late_ns=495 * MS)
    for _ in range(50):
        clock.ring()
    lag_ms = health.lag_ms_p99(0, 1500 * MS)
    assert lag_ms is not None
    assert 470 < lag_ms < 495  # by the first tick alone, one of a hundred, it would be half of that


def test_a_second_belongs_to_the_phase_it_began_in(clock: Clock, health: GeneratorHealth) -> None:
    for _ in range(30):
        clock.ring()
    clock.now_ns = 300 * MS
    health.new_second()
    for _ in range(100):
        clock.ring(late_ns=2 * MS)
    health.new_second()
    before, measured = health.seconds(300 * MS, 1300 * MS)
    assert (before.phase, measured.phase) == (Phase.WARM_UP, Phase.MEASURED)
    assert (before.lag_ms, measured.lag_ms) == (0.0, 2.0)


def test_a_second_that_cannot_be_sampled_does_not_end_the_sampling(
    clock: Clock, cell: SimpleNamespace, health: GeneratorHealth
) -> None:
    def fail(_: int) -> None:
        raise OSError("too many open files")

    cell.reporter.adapt = fail
    for _ in range(99):
        clock.ring()
    with pytest.raises(OSError, match="too many"):
        clock.ring()
    assert len(clock.due) == 1
    clock.ring()
    assert health.lag_ms_p99(1000 * MS, 1020 * MS) == 0


def test_a_step_of_the_wall_clock_is_seen_within_a_tick(
    clock: Clock, cell: SimpleNamespace, health: GeneratorHealth
) -> None:
    cell.note = cell.noted.append

    def step() -> None:
        cell.clock.steps += 1

    clock.ring()
    assert cell.noted == []
    cell.clock.refresh = step
    clock.ring()
    assert [text.split(":")[0] for text in cell.noted] == ["wall clock stepped"]
