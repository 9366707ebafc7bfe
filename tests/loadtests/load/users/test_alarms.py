from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from loadtests.load.users.hub import Alarms
from loadtests.load.users.kernel_calls import HAS_TIMERFD


@pytest.fixture(params=[pytest.param(True, marks=pytest.mark.skipif(not HAS_TIMERFD, reason="no timerfd here")), False])
def alarms(request: pytest.FixtureRequest) -> Iterator[Alarms]:
    alarms = Alarms(use_timerfd=request.param)
    yield alarms
    alarms.close()


def test_alarms_ring_in_order_and_never_early(alarms: Alarms) -> None:
    rung: list[tuple[int, int]] = []
    done = Event()
    now_ns = time.monotonic_ns()
    due_ns = [now_ns + 30_000_000, now_ns + 10_000_000, now_ns + 20_000_000, now_ns - 5]
    for due in due_ns:
        alarms.at(due, lambda due=due: rung.append((due, time.monotonic_ns())))  # type: ignore[misc]
    alarms.at(now_ns + 30_000_001, done.set)
    assert done.wait(5)
    assert [due for due, _ in rung] == sorted(due_ns)
    assert all(at_ns >= due for due, at_ns in rung)


def test_late_alarms_all_ring_in_their_order(alarms: Alarms) -> None:
    rung: list[int] = []
    done = Event()
    start_ns = time.monotonic_ns()
    for number in range(20):
        alarms.at(start_ns + number, lambda number=number: rung.append(number))  # type: ignore[misc]
    alarms.at(start_ns + 20, done.set)
    while time.monotonic_ns() < start_ns + 3_000_000:
        """Hold the hub up past all of them."""
    assert done.wait(5)
    assert rung == list(range(20))


def test_an_alarm_may_set_the_next(alarms: Alarms) -> None:
    done = Event()
    rung: list[int] = []

    def ring() -> None:
        rung.append(len(rung))
        if len(rung) == 3:
            done.set()
        else:
            alarms.at(time.monotonic_ns() + 1_000_000, ring)

    alarms.at(time.monotonic_ns() + 1_000_000, ring)
    assert done.wait(5)
    assert rung == [0, 1, 2]


def test_an_alarm_that_fails_drops_no_other(alarms: Alarms, capsys: pytest.CaptureFixture[str]) -> None:
    done = Event()
    rung: list[str] = []

    def fail() -> None:
        raise OSError("too many open files")

    now_ns = time.monotonic_ns()
    alarms.at(now_ns, fail)
    alarms.at(now_ns + 1, lambda: rung.append("due together"))
    alarms.at(now_ns + 5_000_000, lambda: rung.append("later"))
    alarms.at(now_ns + 6_000_000, done.set)
    assert done.wait(5)
    assert rung == ["due together", "later"]
    assert "too many open files" in capsys.readouterr().err


def test_closed_alarms_ring_no_more() -> None:
    alarms = Alarms()
    rung: list[int] = []
    alarms.at(time.monotonic_ns() + 1_000_000, lambda: rung.append(1))
    alarms.close()
    gevent.sleep(0.01)
    assert rung == []
