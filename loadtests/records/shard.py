"""What one process of a plain Locust run leaves: a shard, a folder of its own, of which `run.shards` makes a run.

A shard is `<runs>/<run>.shards/<worker>/`:

- `shard.json`         one `Shard`, written last: where it is there, the rest is whole
- `generator.json`     a `GeneratorResult`, over the time from the start of the test to its end
- `samples.parquet`, `publishes.parquet`  as a cell's
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.records import json_file
from loadtests.records.cell_spec import GeneratorResult, Load
from loadtests.records.schema import Manifest

SUFFIX = ".shards"
SHARD_FILE = "shard.json"


class UserClass(msgspec.Struct, frozen=True, kw_only=True):
    """One user class of the run: a row of its report."""

    name: str
    like: str  # the transport that it speaks, by its registry name
    stock: bool  # it is one of those on stock libraries
    label: str  # begins its errors
    straggle_s: float  # how long after its publication a delivery may take by the transport's design


class UserSpan(msgspec.Struct, frozen=True, array_like=True):
    """When one user was there. Times are the process's CLOCK_MONOTONIC."""

    number: int  # the user's, and its rows' `subscriber`
    room: int
    user_class: str
    from_ns: int  # welcome; 0: it never was
    to_ns: int  # stopped
    connect_ms: float | None
    reconnects: int
    told_gaps: int


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """`shard.json`."""

    run: str  # the run's name, the same for all its processes
    worker: int  # from 0; the first one publishes
    workers: int  # how many the master had when the test started
    clock: str  # `clients.stamp.OUR_CLOCK`: times of two clocks can't be subtracted
    started_utc: str
    manifest: Manifest
    load: Load  # of each room; `subscribers` says nothing
    room_names: tuple[str, ...]
    classes: tuple[UserClass, ...]
    spans: tuple[UserSpan, ...]
    publications: int  # as Locust's tables count them, over all the run
    failures: int


def read(folder: Path) -> tuple[Shard, GeneratorResult]:
    """Read a shard's two JSON files. Raises RunError."""
    noun = "a part of a shard of a Locust run"
    return (
        json_file.read(folder / SHARD_FILE, Shard, noun),
        json_file.read(folder / "generator.json", GeneratorResult, noun),
    )


def within(folder: Path) -> list[Path]:
    """Return the shards that a folder is, or holds; none where it is, and holds, none."""
    if (folder / SHARD_FILE).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{SHARD_FILE}"))
