"""Stamps of several processes become one table, by room index and offset."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.records.cell_spec import CellSpec, Load
from loadtests.records.errors import ServerError
from loadtests.records.schema import STAMPS
from loadtests.run.outcome import stamp_table

HEADER = "room,offset,accepted_ns,appended_ns,heard_ns,writing_ns,written_ns"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    load = Load(name="4x1", subscribers=4, rooms=2, rate_per_s=1.0)
    spec = CellSpec(
        cell="0-a",
        user_class="SseUser",
        host="http://127.0.0.1:1",
        load=load,
        tokens=("t",),
        room_names=("red", "blue"),
    )
    (tmp_path / "spec.json").write_bytes(msgspec.json.encode(spec))
    return tmp_path


def _write(folder: Path, instance: str, *rows: str) -> None:
    (folder / f"stamps-{instance}.csv").write_text("\n".join((HEADER, *rows)) + "\n")


def test_rooms_are_numbered_and_rows_sorted(folder: Path) -> None:
    _write(folder, "a", "blue,2,1,2,3,4,5", "red,7,10,20,30,-1,-1", "elsewhere,1,1,1,1,1,1")
    table = stamp_table("0-a", folder)
    assert table.schema == STAMPS
    assert table.column("room").to_pylist() == [0, 1]
    assert table.column("offset").to_pylist() == [7, 2]
    assert table.column("writing_ns").to_pylist() == [-1, 4]
    assert table.column("cell").to_pylist() == ["0-a", "0-a"]


def test_of_several_instances_who_took_a_step_first_counts_and_the_last_write(folder: Path) -> None:
    _write(folder, "a", "red,1,100,200,350,400,500")
    _write(folder, "b", "red,1,-1,-1,300,450,900")
    (row,) = stamp_table("0-a", folder).to_pylist()
    assert [row[step] for step in HEADER.split(",")[2:]] == [100, 200, 300, 400, 900]


def test_no_stamps_where_they_were_asked_for_is_an_error(folder: Path) -> None:
    with pytest.raises(ServerError, match="left no stamps"):
        stamp_table("0-a", folder)


@pytest.mark.parametrize("text", ["room,offset\nred,1\n", f"{HEADER}\nred,one,1,1,1,1,1\n"])
def test_what_is_no_stamps_is_an_error_with_the_file_s_name(folder: Path, text: str) -> None:
    (folder / "stamps-x.csv").write_text(text)
    with pytest.raises(ServerError, match=r"stamps-x\.csv holds no stamps"):
        stamp_table("0-a", folder)
