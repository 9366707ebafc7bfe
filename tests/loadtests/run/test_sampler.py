"""The sampler has readings around whatever it was entered for, also where its thread never gets to run."""

from __future__ import annotations

import os
import time

import pytest

from loadtests.run import sampler
from loadtests.run.sampler import Sampler, server_cpu_ns


def test_a_starved_thread_leaves_the_first_and_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "_TICK_S", 60.0)
    with Sampler(lambda: (os.getpid(),), lambda: (), lambda: None) as taken:
        from_ns = time.monotonic_ns()
        to_ns = from_ns + 1
    assert [reading.machine_busy_ns >= 0 for reading in taken.readings] == [True, False]
    assert server_cpu_ns(taken.readings, from_ns, to_ns) is not None
