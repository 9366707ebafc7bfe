"""Time in these tests is virtual; see `tests.core.virtual_time`."""

from __future__ import annotations

import pytest

from tests.core.virtual_time import VirtualTimeLoop


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}
