"""What the instrument itself costs on this machine: `python -m loadtests.evidence.calibration.cost`.

CPU of the generator process per delivery (200 subscribers, 25 messages/s: 5,000 deliveries/s) for each push transport,
and resident memory per connected WebSocket user. Exit code 1 where a figure is over its limit.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.trial import Trial, run_trial
from loadtests.records.cell_spec import Load

CPU_LIMITS_US = {"WebSocketUser": 60.0, "SseUser": 80.0, "LongPollUser": 110.0}
MEMORY_LIMIT_KIB = 20.0
MEMORY_USERS = 2000

_SUBSCRIBERS = 200
_RATE_PER_S = 25.0
_FEW_USERS = 10


def measure_cpu_us(user_class: str, folder: Path) -> float:
    """CPU microseconds of the generator per delivery."""
    load = Load(name="200x25", subscribers=_SUBSCRIBERS, rate_per_s=_RATE_PER_S)
    trial = run_trial(user_class, load, Faults(), folder)
    return 1e6 * trial.result.cpu_s / len(trial.latencies_ms)


def measure_memory_kib(folder: Path) -> float:
    """Resident KiB that each further WebSocket user adds."""
    few = _hold(_FEW_USERS, folder / "few")
    many = _hold(MEMORY_USERS, folder / "many")
    return (_rss_kib(many) - _rss_kib(few)) / (MEMORY_USERS - _FEW_USERS)


def main() -> int:
    """Measure and print everything."""
    within = True
    with tempfile.TemporaryDirectory() as folder:
        for user_class, limit_us in CPU_LIMITS_US.items():
            cpu_us = measure_cpu_us(user_class, Path(folder) / user_class)
            within &= cpu_us <= limit_us
            print(f"{user_class:14} {cpu_us:6.1f} us CPU per delivery at 5,000/s (limit {limit_us:g})", flush=True)
        memory_kib = measure_memory_kib(Path(folder))
        within &= memory_kib <= MEMORY_LIMIT_KIB
        print(f"WebSocketUser  {memory_kib:6.1f} KiB per user, {MEMORY_USERS} users (limit {MEMORY_LIMIT_KIB:g})")
    return 0 if within else 1


def _hold(users: int, folder: Path) -> Trial:
    load = Load(name=f"{users} idle", subscribers=users, rate_per_s=0.0)
    return run_trial("WebSocketUser", load, Faults(), folder, hold_s=2.0)


def _rss_kib(trial: Trial) -> float:
    return max(second.rss_kib for second in trial.result.seconds)


if __name__ == "__main__":
    sys.exit(main())
