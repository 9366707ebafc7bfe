"""Links as data frames: a row for each link, promise, residual and budget; empty where a run has none."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from loadtests.records.schema import LinkCheck
from loadtests.report import frontier, tables
from loadtests.report.study import Study
from tests.loadtests.report.sweep import RATES_PER_S, RTTS_MS

CHECK = LinkCheck("relay", 20.0, 0.0, 0.0, 150, 149, 20.0, 20.2, 21.0)


@pytest.fixture(scope="module")
def swept(swept: Study) -> Study:
    """The sweep without long polls, and with one of its links probed."""
    cells = tuple(
        msgspec.structs.replace(cell, link_check=CHECK) if cell.link == "rtt=20ms" else cell
        for cell in swept.run.cells
        if cell.transport != "longpoll"
    )
    results = tuple(result for result in swept.results if result.condition.transport != "longpoll")
    return replace(swept, results=results, run=msgspec.structs.replace(swept.run, cells=cells))


def test_a_link_has_a_row_over_all_its_cells(swept: Study) -> None:
    frame = tables.links(swept)

    assert list(frame.index) == ["rtt=20ms"]
    cells = 2 * len(RATES_PER_S)
    row = frame.iloc[0].to_dict()
    assert (row["cells"], row["lost"], row["probes"]) == (cells, cells, 150 * cells)


def test_every_condition_over_a_link_has_its_promise_but_those_of_a_sweep(swept: Study) -> None:
    as_latency = [replace(result, condition=replace(result.condition, kind="latency")) for result in swept.results]

    promised = tables.promises(replace(swept, results=tuple(as_latency)))

    assert len(promised) == len(RATES_PER_S) * (len(RTTS_MS) - 1) * 2
    assert set(promised["holds"]) <= {True, False}
    assert tables.promises(swept).empty


def test_every_condition_has_its_residual(swept: Study) -> None:
    assert len(tables.residual_causes(swept)) == len(RATES_PER_S) * len(RTTS_MS) * 2


def test_the_map_has_a_row_for_each_budget_and_round_trip(swept: Study) -> None:
    frame = tables.cheapest(swept)

    assert frame.shape == (len(frontier.BUDGETS_MS) * len(RTTS_MS), len(RATES_PER_S))
    assert frame.loc[(1200.0, 0.0), 10.0] == "Short polling"
    assert frame.loc[(30.0, 300.0), 10.0] == "nobody"


def test_a_run_without_any_of_it_gives_empty_frames(swept: Study) -> None:
    bare = replace(swept, results=(), run=msgspec.structs.replace(swept.run, cells=()))

    for frame in (tables.links, tables.promises, tables.residual_causes, tables.cheapest):
        assert frame(bare).empty
