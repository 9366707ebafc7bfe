"""The rule of a replay's verdict, on both sides of its limits; the file keeps what was not made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.records import replays
from loadtests.records.errors import RunError
from loadtests.records.replays import FixedBy, Replayed, Replays, Row, Ruling


def row(ours: float | None, published: float = 100.0, fixed_by: FixedBy = FixedBy.PROTOCOL) -> Row:
    return Row(what="it", unit="B", published=published, fixed_by=fixed_by, ours=ours)


def made(*rows: Row, missing: str = "", name: str = "a") -> Replayed:
    return Replayed(
        name=name, about="", source="", url="", date="", reading="", rows=rows, missing=missing
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (row(109.9), True),
        (row(90.1), True),
        (row(110.2), False),
        (row(89.8), False),
        (row(149.0, fixed_by=FixedBy.MACHINE), True),
        (row(151.0, fixed_by=FixedBy.MACHINE), False),
        (row(0.0, published=0.0), True),
        (row(0.001, published=0.0), False),
        (row(None), False),
    ],
)
def test_a_figure_is_held_to_what_fixes_it(found: Row, holds: bool) -> None:
    assert found.holds is holds


def test_every_row_must_hold_and_what_is_missing_is_no_failure() -> None:
    assert made(row(101.0), row(99.0)).ruling is Ruling.REPRODUCED
    assert made(row(101.0), row(120.0)).ruling is Ruling.NOT_REPRODUCED
    assert made(row(101.0), row(None)).ruling is Ruling.NOT_COMPARABLE
    assert made(row(120.0), row(None)).ruling is Ruling.NOT_REPRODUCED, "whatever the other would have been"
    assert made(row(101.0), missing="the rate").ruling is Ruling.NOT_COMPARABLE
    assert made().ruling is Ruling.NOT_COMPARABLE


def test_a_replay_that_was_not_made_again_is_kept(tmp_path: Path) -> None:
    path = tmp_path / replays.FILE
    for each in (made(row(1.0), name="b"), made(row(2.0), name="a"), made(row(3.0), name="b")):
        replays.save(path, Replays(version=1, commit=None, started_utc="", replays=(each,)))
    found = replays.load(path)
    assert found is not None
    assert [(each.name, each.rows[0].ours) for each in found.replays] == [("a", 2.0), ("b", 3.0)]


def test_a_file_that_is_none_is_refused_and_a_missing_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / replays.FILE
    assert replays.load(path) is None
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"cannot be read as replays"):
        replays.load(path)
    path.write_text('{"version":2,"commit":null,"started_utc":"","replays":[]}', encoding="utf-8")
    with pytest.raises(RunError, match="has version 2; this lab reads 1"):
        replays.load(path)
