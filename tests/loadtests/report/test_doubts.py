"""Trust in plain words: counted from the cells, one reason per kind, and whether a verdict hangs on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest

from loadtests.records.schema import Cell, Counts, Instrument, LinkCheck, Validity, Verdict
from loadtests.report import doubts
from loadtests.report.study import Study, study
from loadtests.report.verdicts.evidence import Evidence
from loadtests.run import validity
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.verdicts import made

BUSY = "CPU used by other programs is 180 % of a core, more than 25 % of a core"
HELD = "generator hub lag p99 is 1.3 ms, more than 0.5 ms"
LATE = "p99 from kernel receive to read is 1.3 ms, more than 1 ms"
LOADS = (("20x10", 20, 10.0), ("40x10", 40, 10.0))


@pytest.fixture(scope="module")
def worked_out(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, Plan(loads=LOADS, fan_out=(), blocks=1, measured_s=1.5))
    return study(folder)


def judged(worked_out: Study, found: Validity, reasons: Mapping[str, str]) -> Evidence:
    """Return the evidence with a verdict on some cells, each of which is all that its condition has."""

    def cell(one: Cell) -> Cell:
        return msgspec.structs.replace(one, verdict=Verdict(found, (reasons[one.id],))) if one.id in reasons else one

    cells = tuple(map(cell, worked_out.run.cells))
    results = tuple(replace(r, validity=found if r.cells[0].id in reasons else r.validity) for r in worked_out.results)
    run = msgspec.structs.replace(worked_out.run, cells=cells)
    return made.evidence(replace(worked_out, run=run, results=results))


def test_a_run_without_doubt_says_so_in_one_count(worked_out: Study) -> None:
    assert doubts.trust(made.evidence(worked_out)) == "12 measurements: 12 good."


def test_doubt_on_which_no_verdict_depends_is_said_to_be_harmless(worked_out: Study) -> None:
    found = judged(worked_out, Validity.DOUBTFUL, {"0-sse-20x10": BUSY, "0-longpoll-20x10": BUSY})
    assert doubts.trust(found) == (
        "12 measurements: 10 good and 2 slightly disturbed by other programs; no verdict depends on those."
    )


@pytest.mark.parametrize("reason", [LATE, HELD, "publisher lateness p99 is 1.3 ms, more than 1 ms"])
def test_what_comes_late_is_not_put_down_to_other_programs(worked_out: Study, reason: str) -> None:
    found = judged(worked_out, Validity.DOUBTFUL, {"0-sse-20x10": reason})
    assert doubts.trust(found) == "12 measurements: 11 good and 1 slightly held up; no verdict depends on that one."


def test_doubt_that_decides_a_verdict_names_it(worked_out: Study) -> None:
    found = judged(worked_out, Validity.DOUBTFUL, {"0-sse-20x10": BUSY, "0-sse-40x10": BUSY})
    said = doubts.trust(found)
    assert "no verdict depends" not in said
    assert "those decide" in said
    assert "Server-Sent Events: latency ~100 ms" in doubts.dependent(found)


def test_doubt_of_several_causes_is_not_put_down_to_other_programs(worked_out: Study) -> None:
    found = judged(
        worked_out, Validity.DOUBTFUL, {"0-sse-20x10": BUSY, "0-longpoll-20x10": "a reason that nobody knows"}
    )
    assert "10 good and 2 doubtful; " in doubts.trust(found)


def test_what_is_not_usable_is_counted_apart(worked_out: Study) -> None:
    found = judged(worked_out, Validity.INVALID, {"0-sse-20x10": BUSY})
    assert doubts.trust(found) == "12 measurements: 11 good and 1 not usable and not used."


def test_a_kind_of_doubt_is_said_once_at_its_worst_with_what_to_do(worked_out: Study) -> None:
    reasons = {"0-sse-20x10": BUSY, "0-websocket-20x10": BUSY.replace("180", "40"), "0-longpoll-20x10": "odd {thing}"}
    cells = judged(worked_out, Validity.DOUBTFUL, reasons).study.run.cells
    busy, odd = doubts.doubts(cells)
    assert (busy.words, busy.advice) == ("other programs used up to 180 % of a core", "close them and run again")
    assert set(busy.cells) == {"0-sse-20x10", "0-websocket-20x10"}
    assert (odd.words, odd.advice) == ("odd {thing}", "")


def test_what_was_measured_again_and_well_is_in_no_doubt(worked_out: Study) -> None:
    cells = judged(worked_out, Validity.DOUBTFUL, {"0-sse-20x10": BUSY}).study.run.cells
    spoilt = next(cell for cell in cells if cell.id == "0-sse-20x10")
    again = msgspec.structs.replace(spoilt, id=f"{spoilt.id}-again", verdict=Verdict(Validity.VALID))
    assert len(doubts.doubts(cells)) == 1
    assert doubts.doubts((*cells, again)) == ()


_GOOD = Instrument("kernel", 0.3, 0.0, 0.2, 0.5, 12.0, 3.0)
_COUNTS = Counts(10, 0, 100, 100, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("counts", "instrument", "link"),
    [
        (_COUNTS, spoilt, None)
        for spoilt in (
            msgspec.structs.replace(_GOOD, rx_gap_ms_p99=9.0),
            msgspec.structs.replace(_GOOD, batched_fraction=0.5),
            msgspec.structs.replace(_GOOD, publish_lateness_ms_p99=9.0),
            msgspec.structs.replace(_GOOD, hub_lag_ms_p99=9.0),
            msgspec.structs.replace(_GOOD, cpu_percent=99.0),
            msgspec.structs.replace(_GOOD, foreign_cpu_percent=99.0),
            msgspec.structs.replace(_GOOD, clock="user"),
            msgspec.structs.replace(_GOOD, clock_steps=2),
            msgspec.structs.replace(_GOOD, strangers=2),
        )
    ]
    + [
        (counts, _GOOD, None)
        for counts in (
            msgspec.structs.replace(_COUNTS, received=90, lost=10),
            msgspec.structs.replace(_COUNTS, duplicates=3),
            msgspec.structs.replace(_COUNTS, out_of_order=3),
            msgspec.structs.replace(_COUNTS, refused=3),
            msgspec.structs.replace(_COUNTS, unanswered=3),
            msgspec.structs.replace(_COUNTS, received=0),
        )
    ]
    + [(_COUNTS, _GOOD, LinkCheck("tun", 50.0, 0.0, 0.0, 100, 100, 80.0, 80.0, 90.0))],
)
def test_every_rule_against_a_cell_has_plain_words_and_an_advice(
    counts: Counts, instrument: Instrument, link: LinkCheck | None, worked_out: Study
) -> None:
    verdict = validity.judge(counts, instrument, pushes=True, connected=9, subscribers=10, link=link)
    assert len(verdict.reasons) >= 2
    cell: Cell = msgspec.structs.replace(worked_out.run.cells[0], verdict=verdict)
    found = doubts.doubts([cell])
    assert all(doubt.advice for doubt in found), [doubt.words for doubt in found if not doubt.advice]
