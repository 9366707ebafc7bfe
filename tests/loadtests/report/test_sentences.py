"""Sentences say of each transport and load what was measured of it, and nothing of what was not."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from loadtests.records.schema import Cell
from loadtests.report import links, sentences
from loadtests.report.study import Study, fan_out_results, study
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth

GRIDS_S = {"20x10": 0.1, "40x10": 0.4}


@pytest.fixture(scope="module")
def worked_out(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    truths = {"websocket": Truth(), "longpoll": Truth(base_ms=0.6), "shortpoll": Truth(grid=True)}
    run = make_run(folder, Plan(truths=truths, loads=(("20x10", 20, 10.0), ("40x10", 40, 10.0)), fan_out=(), blocks=1))

    def asked(cell: Cell) -> Cell:
        return msgspec.structs.replace(cell, poll_interval_s=GRIDS_S.get(cell.load))

    run = msgspec.structs.replace(run, cells=tuple(map(asked, run.cells)))
    (folder / "run.json").write_bytes(msgspec.json.encode(run))
    return study(folder)


def test_each_load_is_held_to_its_own_polling_grid(worked_out: Study) -> None:
    polls = {r.condition.load: r for r in worked_out.tabled if r.condition.transport == "shortpoll"}
    assert {load: poll.poll_interval_ms for load, poll in polls.items()} == {"20x10": 100.0, "40x10": 400.0}
    modelled = {
        r.condition.load: r.model_ms for r in links.residuals(worked_out) if r.condition.transport == "shortpoll"
    }
    assert modelled["20x10"] == pytest.approx(50.0, abs=10.0)
    assert modelled["40x10"] == pytest.approx(200.0, abs=20.0)
    *_, said = sentences.five_hundred(worked_out)
    assert said.startswith("Measured here, short polling every 0.4 s with 40 receivers and 10 messages a second: mean ")
    assert ", against 200 ms by the model;" in said


def test_short_polls_of_several_grids_make_no_line_over_the_size_of_the_room(worked_out: Study) -> None:
    grids = {r.poll_interval_ms for r in fan_out_results(worked_out) if r.condition.transport == "shortpoll"}
    assert len(grids) == 1
    assert "short polling" not in sentences.fan_out(worked_out)


def test_the_median_grows_over_the_sizes_that_a_transport_was_measured_in(worked_out: Study) -> None:
    results = worked_out.results
    larger = [replace(r, condition=replace(r.condition, subscribers=80, load="80x10")) for r in results]
    kept = [r for r in (*results, *larger) if r.condition.transport != "longpoll" or r.condition.subscribers < 80]
    said = sentences.fan_out(replace(worked_out, results=tuple(kept)))
    assert "From 20 to 80 subscribers, the median goes: WebSocket from" in said
    assert "From 20 to 40 subscribers, the median goes: long polling from" in said


def test_memory_of_idle_connections_is_said_apart_from_the_load(worked_out: Study) -> None:
    said = sentences.costs(worked_out)
    loaded, idle = said.split(". Server memory per idle connection: ")
    assert loaded.startswith("With 40 receivers and 10 messages a second, server CPU per delivery: ")
    assert "memory" not in loaded
    assert "KiB" in idle


def test_a_rate_is_that_of_each_room(worked_out: Study) -> None:
    def roomy(cell: Cell) -> Cell:
        return msgspec.structs.replace(cell, rooms=4)

    results = tuple(replace(r, cells=tuple(map(roomy, r.cells))) for r in worked_out.results)
    said = sentences.ecdf(replace(worked_out, results=results))
    assert said.startswith("With 40 receivers in 4 rooms and 10 messages a second in each, half of all deliveries")
