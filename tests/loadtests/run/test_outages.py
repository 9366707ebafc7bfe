"""What cuts did, from synthetic cells: one subscriber was away for part of the time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from loadtests.records.disruption import Disruption
from loadtests.records.schema import ABSENT_NS, OUTAGES
from loadtests.run import counts, outages
from tests.loadtests.run.synthetic import MS, CellTables, cell_tables
from tests.loadtests.run.test_counts import FROM_NS, TO_NS, replaced, spec

CUTS = Disruption(up_s=3.0, offline_s=0.4)


def cell() -> CellTables:
    """Return two subscribers of ten messages, 1 ms apart, that have the offsets 3 to 12 and arrive 5 ms later."""
    return cell_tables(spec(2), from_ns=FROM_NS, to_ns=TO_NS)


def away(subscriber: int, from_ms: int, to_ms: int, *, left: int, joined: int, back: bool = True) -> pa.Table:
    """Return one outage; its times count from the first message."""
    off_ns, on_ns = FROM_NS + from_ms * MS, FROM_NS + to_ms * MS
    row = {"cell": "c", "subscriber": subscriber, "off_ns": off_ns, "on_ns": on_ns, "left_offset": left}
    row |= {"joined_offset": joined, "back_ns": on_ns + 2 * MS if back else ABSENT_NS}
    return pa.Table.from_pylist([row], schema=OUTAGES)


def without(table: pa.Table, subscriber: int, offsets: set[int]) -> pa.Table:
    kept = [not (s == subscriber and o in offsets) for s, o in zip(*_two(table), strict=True)]
    return table.filter(pa.array(kept))


def _two(table: pa.Table) -> tuple[list[int], list[int]]:
    return table["subscriber"].to_pylist(), table["offset"].to_pylist()


def test_only_what_lies_between_leaving_and_joining_is_lost_by_plan() -> None:
    made = cell()
    samples = without(made.samples, 1, {5, 6, 7, 11})
    gone = away(1, 2, 5, left=4, joined=7)
    assert outages.lost_to_cuts(samples, made.publishes, gone, spec(2).load, resume=False) == 3
    assert counts.count(samples, made.publishes, spec(2).load, made.result).lost == 4, "the fourth is the server's"


def test_on_a_resume_nothing_is_lost_by_plan() -> None:
    made = cell()
    samples = without(made.samples, 1, {5, 6, 7})
    ignored = away(1, 2, 5, left=4, joined=7)  # by a server that does not care where its subscriber left
    assert outages.lost_to_cuts(samples, made.publishes, ignored, spec(2).load, resume=True) == 0
    assert counts.count(samples, made.publishes, spec(2).load, made.result).lost == 3


def test_what_another_subscriber_misses_is_not_excused() -> None:
    made = cell()
    samples = without(made.samples, 0, {5, 6})
    assert (
        outages.lost_to_cuts(samples, made.publishes, away(1, 2, 5, left=4, joined=7), spec(2).load, resume=False) == 0
    )


def test_what_is_due_before_the_return_and_comes_after_it_was_replayed() -> None:
    made = cell()
    at_ns = FROM_NS + 8 * MS
    # Messages 2, 3 and 4 of subscriber 1 come together at 8 ms; its cable is in at 7 ms, it is welcome at 9 ms.
    late = [s == 1 and o in {5, 6, 7} for s, o in zip(*_two(made.samples), strict=True)]
    received = np.where(late, at_ns, np.asarray(made.samples["kernel_rx_ns"])).tolist()
    samples = replaced(made.samples, "kernel_rx_ns", received)
    gone = away(1, 2, 7, left=4, joined=4)
    found = counts.count(samples, made.publishes, spec(2).load, made.result)
    cuts = outages.figures(samples, gone, found, made.result, CUTS, resume=True)
    # Messages 3 to 8 (offsets 6 to 11) too are due before 9 ms, and what is not late comes 5 ms after it is due.
    flagged = outages.replayed(samples, gone)
    offsets = {o for (s, o), flag in zip(zip(*_two(samples), strict=True), flagged, strict=True) if flag and s == 1}
    assert {5, 6, 7} <= offsets <= set(range(5, 12))
    assert not any(flag and s == 0 for s, flag in zip(_two(samples)[0], flagged, strict=True))
    assert (cuts.cuts, cuts.away, cuts.lost, cuts.replayed) == (1, 0, 0, len(offsets))
    assert cuts.replay_bytes == 200 * len(offsets)
    anew = outages.figures(samples, gone, found, made.result, CUTS, resume=False)
    assert (anew.replayed, anew.replay_bytes, anew.replay_ms) == (0, 0, {})
    assert cuts.back_ms == {"p50": pytest.approx(2.0)}
    assert cuts.latency_ms["p50"] == pytest.approx(5.0)
    assert "p95" not in cuts.latency_ms, "twenty deliveries have no p95"


def test_who_never_came_back_is_counted_and_nothing_is_excused() -> None:
    made = cell()
    samples = without(made.samples, 1, {5, 6, 7, 8, 9, 10, 11, 12})
    gone = away(1, 2, 5, left=4, joined=4, back=False)
    found = counts.count(samples, made.publishes, spec(2).load, made.result)
    assert outages.lost_to_cuts(samples, made.publishes, gone, spec(2).load, resume=False) == 0
    assert outages.figures(samples, gone, found, made.result, CUTS, resume=False).away == 1


@pytest.mark.parametrize(
    ("missing", "resume", "offsets"),
    [
        ({5, 6, 7}, False, (4, 7)),
        ({5, 6, 7, 8, 9, 10, 11, 12}, False, (4, 12)),
        ({3, 4, 5, 6, 7}, False, (0, 7)),
        ({5, 6, 7}, True, (4, 4)),
        ({3, 4, 5, 6, 7}, True, (0, 7)),
    ],
)
def test_where_a_foreign_connection_begins_follows_from_what_came(
    missing: set[int], resume: bool, offsets: tuple[int, int]
) -> None:
    made = cell()
    samples = without(made.samples, 1, missing)
    unsaid = away(1, 2, 7, left=ABSENT_NS, joined=ABSENT_NS)
    found = outages.placed(samples, made.publishes, unsaid, spec(2).load, resume=resume)
    assert found.schema == OUTAGES
    assert (found["left_offset"][0].as_py(), found["joined_offset"][0].as_py()) == offsets
    by_plan = len(missing) if offsets[1] > offsets[0] else 0
    assert outages.lost_to_cuts(samples, made.publishes, found, spec(2).load, resume=False) == by_plan


def test_a_foreign_connection_that_stays_silent_is_excused_no_longer_than_it_may_join() -> None:
    made = cell()
    samples = without(made.samples, 1, {5, 6, 7, 8, 9, 10, 11, 12})
    gone = away(1, 2, 7, left=ABSENT_NS, joined=ABSENT_NS)
    later = made.publishes["sent_ns"].to_pylist()
    later[-2:] = [FROM_NS + 264 * MS, FROM_NS + 265 * MS]  # more than 250 ms after the welcome at 9 ms
    publishes = replaced(made.publishes, "sent_ns", later)
    found = outages.placed(samples, publishes, gone, spec(2).load, resume=False)
    assert found["joined_offset"].to_pylist() == [10]
    assert outages.lost_to_cuts(samples, publishes, found, spec(2).load, resume=False) == 6


def test_who_did_not_come_back_to_a_foreign_server_is_not_placed() -> None:
    made = cell()
    gone = away(1, 2, 7, left=ABSENT_NS, joined=ABSENT_NS, back=False)
    found = outages.placed(made.samples, made.publishes, gone, spec(2).load, resume=False)
    assert found["joined_offset"].to_pylist() == found["left_offset"].to_pylist()
