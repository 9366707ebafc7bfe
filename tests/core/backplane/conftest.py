"""The benches that the conformance kit runs on."""

from __future__ import annotations

import pytest

from tests.core.backplane.bench import Bench, MemoryBench


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"  # real time: a backplane may have sockets


@pytest.fixture(params=["memory"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """One fresh set of rooms per test, of each kind of backplane."""
    benches: dict[str, type[MemoryBench]] = {"memory": MemoryBench}
    return benches[request.param]()
