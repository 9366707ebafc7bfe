"""The benches that the conformance kit runs on."""

from __future__ import annotations

import pytest

from tests.core.backplane.bench import Bench, MemoryBench
from tests.core.backplane.redis_bench import RedisBench


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"  # real time: a backplane may have sockets


@pytest.fixture(params=["memory", "redis"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """One fresh set of rooms per test, of each kind of backplane."""
    if request.param == "memory":
        return MemoryBench()
    url: str = request.getfixturevalue("redis_url")
    return RedisBench(url)
