"""Time in these tests is virtual; see `virtual_time`."""

from __future__ import annotations

import hypothesis
import pytest

from tests.core.virtual_time import VirtualTimeLoop

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}
