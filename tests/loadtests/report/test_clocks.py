"""Clocks of other machines in words: where they are, how sure that is, or that nothing is known."""

from __future__ import annotations

import msgspec

from loadtests.records.schema import WorkerClock
from loadtests.report import clocks
from tests.loadtests.records.test_store import cell, new_run


def test_each_worker_s_clock_is_said_as_its_least_certain_cell_has_it() -> None:
    sure = WorkerClock("worker 1 (b)", -4_999_999.9, -20.0, 30.0, 0.2)
    found = [sure, msgspec.structs.replace(sure, uncertainty_ms=0.7), WorkerClock("worker 2 (c)")]
    cells = tuple(msgspec.structs.replace(cell("0-sse-1x1"), clocks=(each,)) for each in found)
    known, unknown = clocks.lines(msgspec.structs.replace(new_run(3), cells=cells))
    assert known.startswith("worker 1 (b): its clock is 4,999.999900 s ahead of the master's, within 0.700 ms")
    assert "20.0 ppm faster, within 30.0 ppm" in known
    assert unknown.startswith("worker 2 (c) has another clock than the master, and its offset is not known")
    assert clocks.render_text(new_run(0)) == ""


def test_a_cell_in_which_a_clock_was_not_known_is_said_whatever_came_after_it() -> None:
    known = WorkerClock("worker 1 (b)", -1.0, -20.0, 30.0, 0.2)
    for found in ([WorkerClock("worker 1 (b)"), known], [known, WorkerClock("worker 1 (b)")]):
        cells = tuple(msgspec.structs.replace(cell("0-sse-1x1"), clocks=(each,)) for each in found)
        (said,) = clocks.lines(msgspec.structs.replace(new_run(2), cells=cells))
        assert "its offset is not known" in said
