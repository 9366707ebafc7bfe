"""The short form of the fault table: the same scenarios, smaller. `make faults` runs them in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import missing
from tests.contracts.kit.redis_server import find_redis
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import Run

QUICK = (
    "cuts",
    "server-kill",
    "redis-kill",
    "redis-client-kill",
    "redis-emptied",
    "redis-stopped",
    "order",
    "slow-peers",
    "shutdown",
    "limits",
)


@pytest.mark.alone
@pytest.mark.parametrize("name", QUICK)
async def test_fault(name: str, tmp_path: Path) -> None:
    if find_redis() is None:
        missing("redis-server")
    rows = await SCENARIOS[name](Run(tmp_path, full=False))
    assert rows
    for row in rows:
        assert row.passed, f"{row.scenario} [{row.variant}] {row.bar}: {row.measured}"
