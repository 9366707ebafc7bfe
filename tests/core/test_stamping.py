"""A hub with stamping behaves as one without, and writes down the steps of each event."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.auth import sign
from core.backplane.memory import MemoryBackplane
from core.hub import Hub
from core.model import Principal
from core.stamping import Stamping
from core.subscription import Subscription
from tests.core.instances import FREE, ROOM, SECRET, frame, now_s, wall_s

STEPS = ("accepted_ns", "appended_ns", "heard_ns", "writing_ns", "written_ns")


@asynccontextmanager
async def stamped(folder: Path) -> AsyncIterator[Hub]:
    """A hub whose nanoseconds are counted: each look at the clock is one later."""
    hub = Hub(
        MemoryBackplane(FREE, clock=now_s, wall_clock=wall_s),
        FREE,
        secret=SECRET,
        clock=now_s,
        wall_clock=wall_s,
        stamping=Stamping(folder, itertools.count(1).__next__),
    )
    async with hub.running():
        yield hub


def who(hub: Hub, user: str) -> Principal:
    return hub.admit(sign(SECRET, user, ["*"], wall_s() + 3600), ROOM)


async def joined(hub: Hub, user: str) -> Subscription:
    return await hub.attach(who(hub, user), ROOM, "test", frame)


async def said(hub: Hub, content: str) -> int:
    answer = json.loads(await hub.post(who(hub, "speaker"), ROOM, json.dumps({"content": content}).encode()))
    return int(answer["id"].rpartition(":")[2])


def rows(folder: Path) -> dict[int, dict[str, int]]:
    (path,) = folder.glob("stamps-*.csv")
    with path.open(newline="") as file:
        return {int(row["offset"]): {step: int(row[step]) for step in STEPS} for row in csv.DictReader(file)}


async def test_what_goes_to_outboxes_is_stamped_as_it_is_put_there(tmp_path: Path) -> None:
    async with stamped(tmp_path) as hub:
        alice = await joined(hub, "alice")
        offset = await said(hub, "hello")
        assert alice.take_now()
    steps = rows(tmp_path)[offset]
    assert steps["heard_ns"] < steps["writing_ns"] < steps["written_ns"]


async def test_nobody_there_leaves_no_write(tmp_path: Path) -> None:
    async with stamped(tmp_path) as hub:
        offset = await said(hub, "into the void")
    assert offset not in rows(tmp_path) or rows(tmp_path)[offset]["writing_ns"] == -1


async def test_a_folder_that_can_t_be_written_to_is_reported_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with stamped(tmp_path / "nowhere"):
            pass
