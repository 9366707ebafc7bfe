"""Calibrations beside a run: read, laid side by side, drawn; none is no error."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.records.calibration import Calibration, Distribution, Omission, SelfTest
from loadtests.records.errors import RunError
from loadtests.report import calibration as words
from loadtests.report import tables
from loadtests.report.budget import stamped_run
from loadtests.report.charts.drawing import png
from loadtests.report.charts.latency import against_itself, coordinated_omission
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.test_calibration import calibration, check, comparison

SHOWN = Distribution(messages=3, p50_ms=1.0, p99_ms=None, max_ms=9.0, latency_ms=(1.0, 9.0), fraction=(0.5, 1.0))
OMISSION = Omission(
    transport="websocket", rate_per_s=20, measured_s=10, stall_s=1, from_schedule=SHOWN, closed_loop=SHOWN
)
SELF_TEST = SelfTest(
    transport="websocket",
    run_id="r",
    allowed=0,
    repeats=(comparison(-0.1, 0.1), comparison(0.1, 0.2)),
    left_out=0,
    between=(comparison(0.3, 0.4),),
)


def put(folder: Path, *made: Calibration) -> None:
    for number, each in enumerate(made):
        (folder / f"2026010{number}-calibration-abc.json").write_bytes(msgspec.json.encode(each))


def test_three_calibrations_stand_side_by_side(tmp_path: Path) -> None:
    put(tmp_path, *(calibration(checks=(check(found),)) for found in (5.0, 5.05, 9.0)), calibration(omission=OMISSION))
    frame = tables.checks(words.beside(tmp_path))
    (row,) = frame.to_dict("records")
    assert [row[f"found {number}"] for number in (1, 2, 3)] == [5.0, 5.05, 9.0]
    assert (row["truth"], row["at most off by"], row["within"]) == (5.0, 0.1, "2 of 3")


def test_the_latest_of_each_part_is_taken(tmp_path: Path) -> None:
    later = msgspec.structs.replace(OMISSION, stall_s=2)
    put(tmp_path, calibration(omission=OMISSION), calibration(omission=later), calibration(self_test=SELF_TEST))
    found = words.beside(tmp_path)
    assert words.latest(found, lambda each: each.omission) == later
    assert words.latest(found, lambda each: each.self_test) == SELF_TEST
    assert words.latest(found, lambda each: each.weakened) is None


def test_nothing_beside_a_run_is_no_error_and_what_is_broken_is(tmp_path: Path) -> None:
    assert words.beside(tmp_path) == ()
    assert tables.checks(()).empty
    assert tables.comparisons(()).empty
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(RunError, match="cannot be read as a calibration"):
        words.beside(tmp_path)


def test_the_stamped_run_is_the_one_inside_if_there_is_one(tmp_path: Path) -> None:
    assert stamped_run(tmp_path) == tmp_path
    make_run(tmp_path / "budget", Plan(loads=(("2x1", 2, 1.0),), fan_out=(), blocks=1))
    assert stamped_run(tmp_path) == tmp_path / "budget"


def test_comparisons_are_reported_with_their_interval() -> None:
    frame = tables.comparisons(SELF_TEST.repeats)
    assert frame["in words"].tolist() == ["indistinguishable", "different"]
    assert frame["low"].tolist() == [-0.1, 0.1]


def test_charts_are_the_same_bytes_each_time() -> None:
    assert png(coordinated_omission, OMISSION) == png(coordinated_omission, OMISSION)
    assert png(against_itself, SELF_TEST).startswith(b"\x89PNG")
