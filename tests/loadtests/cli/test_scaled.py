"""Scaling out with real servers: two processes on a Redis beside one in memory, up to the report's section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.records import store
from loadtests.run.own_redis import find_redis
from tests.conftest import missing
from tests.contracts.kit.redis_server import RedisProcess
from tests.loadtests.cli.once import rtlab_once

TINY = """
name = "tiny"
about = "as little as will do"
transports = ["websocket"]
blocks = 1
warm_up_s = 0.3
measured_s = 1.0
grace_s = 0.5

[[cells]]
load = { name = "16x10", subscribers = 16, rate_per_s = 10.0 }
"""


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    program = find_redis()
    if program is None:
        missing("redis-server")
    else:
        redis = RedisProcess(program, tmp_path)
        redis.start()
        try:
            yield redis.url
        finally:
            redis.stop()


def test_two_instances_on_redis_are_measured_beside_one_in_memory(redis_url: str, tmp_path: Path) -> None:
    scenario, out = tmp_path / "tiny.toml", tmp_path / "runs"
    scenario.write_text(TINY)
    # How healthy the instrument was depends on what else this machine does: an invalid cell (4) is let pass.
    assert rtlab_once("run", str(scenario), "--out", str(out), "--redis", redis_url, "--instances", "2") in (0, 4)
    (folder,) = store.listed(out)
    run = store.load(folder)
    assert (run.manifest["settings"]["redis_url"], run.manifest["settings"]["instances"]) == (redis_url, 2)
    scaled = [cell for cell in run.cells if cell.kind == "scaled"]
    assert [cell.transport for cell in scaled] == ["websocket"]
    for cell in run.cells:
        counts = cell.counts
        assert counts is not None, cell.verdict
        assert (counts.received, counts.lost, counts.duplicates, counts.out_of_order) == (counts.expected, 0, 0, 0)
        by_instance = [cell.server.get(f"deliveries_instance_{place}") for place in (1, 2, 3)]
        if cell.kind != "scaled":
            assert by_instance == [None, None, None]
            continue
        first, second, third = by_instance
        assert isinstance(first, int)
        assert isinstance(second, int)
        assert third is None
        assert first + second >= counts.received
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="h-scaled">Scaling out' in page
    assert f"--redis {redis_url} --instances 2" in page
