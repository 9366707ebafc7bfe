"""What a process of a plain Locust run says of itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from loadtests.load.users import shard
from loadtests.records.cell_spec import GeneratorResult, GeneratorSecond
from loadtests.records.schema import Phase
from loadtests.records.shard import Shard
from tests.loadtests.run import synthetic
from tests.loadtests.run.test_counts import spec


def test_cpu_is_that_of_the_measured_seconds(tmp_path: Path) -> None:
    seconds = tuple(
        GeneratorSecond(t_ns=1, phase=phase, cpu_percent=percent, rss_kib=1.0, lag_ms=0.1)
        for phase, percent in ((Phase.WARM_UP, 90.0), (Phase.MEASURED, 5.0), (Phase.MEASURED, 7.0))
    )
    found = msgspec.structs.replace(synthetic.result(spec(), 0, 1), seconds=seconds)
    recorder = SimpleNamespace(write=lambda *_: None)
    reporter = SimpleNamespace(publications=0, failures=0)
    cell = cast("Any", SimpleNamespace(recorder=recorder, users=[], reporter=reporter))
    health = cast("Any", SimpleNamespace(result=lambda *_, **__: found))
    begun = Shard(
        run="r",
        worker=0,
        workers=1,
        clock="one",
        started_utc="",
        manifest={},
        load=spec().load,
        room_names=(),
        classes=(),
        spans=(),
        publications=0,
        failures=0,
    )
    shard.write(tmp_path, cell, health, (0, 1), begun)
    written = msgspec.json.decode((tmp_path / "generator.json").read_bytes(), type=GeneratorResult)
    assert written.cpu_s == pytest.approx(0.12)
