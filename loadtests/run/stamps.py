"""What a cell's servers wrote of the steps that events took: their files, one per process, joined into one table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa

from loadtests.records.cell_spec import CellSpec
from loadtests.records.errors import ServerError
from loadtests.records.schema import ABSENT_NS, STAMPS

_STEPS = ("accepted_ns", "appended_ns", "heard_ns", "writing_ns", "written_ns")
_Event = tuple[int, int]  # room, offset


def table(cell: str, folder: Path) -> pa.Table:
    """Return the rows (`STAMPS`) of `folder/stamps-*.csv`; rooms are known by `folder/spec.json`.

    Of several instances each step is that of the one that took it first, the last write that of the last. Raises
    ServerError where there is no such file, or it is none.
    """
    rooms = msgspec.json.decode((folder / "spec.json").read_bytes(), type=CellSpec).room_names
    files = sorted(folder.glob("stamps-*.csv"))
    if not files:
        raise ServerError("the server was told to stamp, and left no stamps")
    joined: dict[_Event, dict[str, int]] = {}
    for file in files:
        try:
            for event, steps in _rows(file, rooms):
                joined[event] = _first(joined[event], steps) if event in joined else steps
        except (KeyError, ValueError) as error:
            raise ServerError(f"{file.name} holds no stamps: {error}") from None
    events = sorted(joined)
    columns = {
        "cell": [cell] * len(events),
        "room": [room for room, _ in events],
        "offset": [offset for _, offset in events],
        **{step: [joined[event][step] for event in events] for step in _STEPS},
    }
    return pa.table(columns, schema=STAMPS)


def _rows(file: Path, rooms: tuple[str, ...]) -> Iterator[tuple[_Event, dict[str, int]]]:
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["room"] in rooms:
                event = rooms.index(row["room"]), int(row["offset"])
                yield event, {step: int(row[step]) for step in _STEPS}


def _first(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    joined = {}
    for step in _STEPS:
        taken = [steps[step] for steps in (one, other) if steps[step] != ABSENT_NS]
        joined[step] = (max if step == "written_ns" else min)(taken, default=ABSENT_NS)
    return joined
