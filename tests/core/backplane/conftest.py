"""The benches that the conformance kit runs on."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.conftest import own_redis
from tests.core.backplane.bench import Bench, MemoryBench
from tests.core.backplane.redis_bench import RedisBench

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"  # real time: a backplane may have sockets


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that no server of the contract suite uses: it is emptied here, and its clock seems to be set."""
    with own_redis(tmp_path_factory) as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """One fresh set of rooms per test, of each kind of backplane."""
    if request.param == "memory":
        return MemoryBench()
    return RedisBench(request.getfixturevalue("redis_url"), request.getfixturevalue("user_url"))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What the log of Redis said at WARNING and above."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Lines(logging.WARNING)
    logging.getLogger("rtlab.redis").addHandler(handler)
    yield lines
    logging.getLogger("rtlab.redis").removeHandler(handler)


@pytest.fixture(scope="session")
def user_url(redis_url: str) -> str:
    """Redis for a user that may do what the documentation says is needed, and nothing else."""
    with Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "rtlab", "reset", *documented_rules())
    return redis_url.replace("redis://", "redis://rtlab:pw@")


def documented_rules() -> list[str]:
    """The rights that the documentation asks for, with the password `pw`."""
    (rules,) = re.findall(r"^ACL SETUSER rtlab (.*)$", (ROOT / "docs/reliability.md").read_text("utf-8"), re.MULTILINE)
    return str(rules).replace("PASSWORD", "pw").split()
