"""What the bench needs of a machine."""

from __future__ import annotations

import shutil

import pytest

from loadtests.run.own_redis import find_redis
from tests.conftest import missing


@pytest.fixture
def compiler() -> None:
    """Of the load clients."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        missing("cc, gcc or clang")


@pytest.fixture
def redis() -> None:
    """A program of Redis or Valkey."""
    if find_redis() is None:
        missing("redis-server")
