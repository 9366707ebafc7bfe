"""Which measurements advice is made from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.records.errors import RunError
from loadtests.report import export
from loadtests.report.advise import points
from loadtests.report.advise.points import answers, of_records, of_run
from loadtests.report.study import Study, study
from tests.loadtests.report import synthetic


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    truths = {name: synthetic.TRUTHS[name] for name in ("websocket", "shortpoll")}
    synthetic.make_run(folder, synthetic.Plan(truths=truths, loads=(("50x10", 50, 10.0),), blocks=2, measured_s=2.0))
    return study(folder)


def test_a_runs_own_records_are_points_with_interval_and_grid(measured: Study, tmp_path: Path) -> None:
    found = of_run(measured, tmp_path)
    first = next(point for point in found if point.load == "50x10" and point.transport == "websocket")
    assert first.run_id == measured.run.run_id
    assert first.server_cpu_us is not None
    assert first.server_cpu_us_low is not None
    assert first.server_cpu_us_low < first.server_cpu_us
    assert all(point.poll_interval_s for point in found if point.memory_kib is None)


def test_loads_of_the_file_beside_it_take_the_place_of_the_runs_own(measured: Study, tmp_path: Path) -> None:
    record = {**export.records(measured)[0], "run_id": "other", "load": "elsewhere"}
    (tmp_path / points.FILE).write_text(json.dumps({"results": [record]}), encoding="utf-8")
    found = of_run(measured, tmp_path)
    loads = {(p.transport, p.run_id) for p in found if p.memory_kib is None}
    assert loads == {("websocket", "other"), ("shortpoll", measured.run.run_id)}
    assert {p.transport for p in found if p.memory_kib is not None} == {"websocket", "shortpoll"}


_OTHER: list[dict[str, object]] = [
    {"payload_bytes": 0},
    {"validity": "invalid"},
    {"variant": "deflate"},
    {"variant": "coalesce=20ms"},
    {"kind": "stack"},
]


@pytest.mark.parametrize("change", _OTHER)
def test_what_is_invalid_or_of_another_server_is_no_point(measured: Study, change: dict[str, object]) -> None:
    record = export.records(measured)[0]
    assert len(of_records([record], "run")) == 1
    assert of_records([{**record, **change}], "run") == ()


def test_short_polls_whose_grid_is_not_known_are_no_points(measured: Study) -> None:
    polled = next(r for r in export.records(measured) if r["transport"] == "shortpoll" and r["kind"] != "memory")
    assert len(of_records([polled], "run")) == 1
    assert of_records([{**polled, "poll_interval_s": None}], "run") == ()


def test_a_file_that_is_none_is_refused(measured: Study, tmp_path: Path) -> None:
    (tmp_path / points.FILE).write_text("[]", encoding="utf-8")
    with pytest.raises(RunError, match=points.FILE):
        of_run(measured, tmp_path)


def test_answers_per_delivery_follow_from_the_blind_time_and_the_grid() -> None:
    assert answers("websocket", 5.0, 40.0, 1000.0) == 0
    assert answers("longpoll", 5.0, 0.0, 1000.0) == 1
    assert answers("longpoll", 20.0, 100.0, 1000.0) == pytest.approx(0.249, rel=0.01)
    assert answers("shortpoll", 20.0, 0.0, 1000.0) == pytest.approx(0.05)
