"""The stand-ins, served once for all tests of this folder that one process runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.standins.app import running


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with running() as base:
        yield base
