"""Which processes coverage follows. Following makes Python half as fast, and following greenlets slower still. So
coverage follows what no other test reaches, and greenlets only in processes that have some.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from coverage import Coverage
from coverage.config import CoverageConfig

from loadtests.run.generators import FORK_SERVER

CONFIG = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage reaches the processes that tests start."""

TESTS = Path(__file__).parent
# Whose processes are whole servers and generators that other tests start too.
_PROCESSES_UNSEEN = (
    "clients_real",
    "deployments",
    "faults",
    "foil",
    "loadtests/report",
    "loadtests/evidence/bench",
    "loadtests/evidence/calibration",
    "loadtests/cli/test_foreign.py",
    "loadtests/cli/test_scaled.py",
    "loadtests/run",
    "loadtests/evidence/traits",
    "page",
)
# Which are clients only, or run greenlets in the test's own process, where they are not minded.
_TESTS_UNSEEN = (
    "clients_real",
    "contracts",
    "faults",
    "foil",
    "loadtests/load/users/test_alarms.py",
    "loadtests/load/users/test_inbox.py",
)
# Whose processes are generators. Without that, lines after a greenlet's switch count as not run.
_GREENLETS = ("loadtests/cli", "loadtests/load/users")


class Tracing:
    """Coverage in one test process, if it runs under coverage at all."""

    def __init__(self) -> None:
        self._coverage = Coverage.current()
        self._on = self._coverage is not None
        self._follows: str | None = None  # what the fork server was started with

    def set_for(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Follow what the tests of a file are to show."""
        name = path.relative_to(TESTS).as_posix()
        config = os.environ.get(CONFIG)
        if config is not None and name.startswith(_PROCESSES_UNSEEN):
            monkeypatch.delenv(CONFIG)
        elif config is not None and name.startswith(_GREENLETS):
            minding = CoverageConfig.deserialize(config)
            minding.concurrency = ["thread", "greenlet"]
            monkeypatch.setenv(CONFIG, minding.serialize())
        if os.environ.get(CONFIG) != self._follows:
            FORK_SERVER.close()  # what it forks is followed as it is itself
            self._follows = os.environ.get(CONFIG)
        if self._coverage is not None and self._on is name.startswith(_TESTS_UNSEEN):
            self._on = not self._on
            (self._coverage.start if self._on else self._coverage.stop)()
