"""The sampler has readings around whatever it was entered for, also where its thread never gets to run."""

from __future__ import annotations

import os
import sys
import time

import pytest

from loadtests.run import procfs, sampler
from loadtests.run.sampler import Reading, Sampler, foreign_cpu_percent, server_cpu_ns


def test_a_starved_thread_leaves_the_first_and_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "_TICK_S", 60.0)
    with Sampler(lambda: (os.getpid(),), lambda: (), lambda: None) as taken:
        from_ns = time.monotonic_ns()
        to_ns = from_ns + 1
    assert [reading.machine_busy_ns >= 0 for reading in taken.readings] == [True, False]
    assert server_cpu_ns(taken.readings, from_ns, to_ns) is not None


def test_waiting_that_nothing_tells_is_unknown() -> None:
    reading = Sampler(lambda: (), lambda: (os.getpid(),), lambda: None).read(whole=True)
    assert procfs.waited_ns(()) is None
    assert reading.server_waited_ns == -1
    assert reading.generator_waited_ns >= 0 or not sys.platform.startswith("linux")


def test_what_begins_after_a_mark_is_not_foreign_to_what_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    busy_ns = iter([0, 0, 900_000_000])
    monkeypatch.setattr(procfs, "machine_busy_ns", lambda: next(busy_ns))
    monkeypatch.setattr(sampler, "_TICK_S", 60.0)
    with Sampler(lambda: (), lambda: (), lambda: None) as taken:
        from_ns = time.monotonic_ns()
        time.sleep(0.01)
        to_ns = time.monotonic_ns()
        taken.mark()
        time.sleep(0.01)
        taken.readings.append(taken.read(whole=True))
    assert foreign_cpu_percent(taken.readings, from_ns, to_ns) == pytest.approx(0.0, abs=1e-6)


def test_a_mark_is_no_second_of_the_timeline() -> None:
    whole = [Reading(t_ns, 0, 0, server_rss_kib=1.0, machine_busy_ns=0) for t_ns in (0, 10**9, 2 * 10**9)]
    marked = [*whole[:2], Reading(10**9 + 1, 0, 0, machine_busy_ns=0), whole[2]]
    assert sampler._each_second(marked) == whole
