"""The short form of the fault table: the same scenarios, smaller. `make faults` runs them in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.run.own_redis import find_redis
from tests.conftest import missing
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import Run

COUNTED = ("cuts", "server-kill", "redis-kill", "redis-client-kill", "redis-emptied", "order", "shutdown", "limits")
TIMED = ("redis-stopped", "slow-peers")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("fanout", metafunc.config.getoption("--fanouts").split(","))


@pytest.mark.parametrize("name", [*COUNTED, *(pytest.param(name, marks=pytest.mark.alone) for name in TIMED)])
async def test_fault(
    name: str, fanout: str, tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTS_FANOUT", fanout)
    if pytestconfig.getoption("--tls"):
        monkeypatch.setenv("FAULTS_TLS", "1")
    if find_redis() is None:
        missing("redis-server")
    rows = await SCENARIOS[name](Run(tmp_path, full=False))
    assert rows
    for row in rows:
        assert row.passed, f"{row.scenario} [{row.variant}] {row.bar}: {row.measured}"
