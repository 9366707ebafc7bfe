"""Reads of several deliveries count against the generator only if the schedule had them apart."""

from __future__ import annotations

import pyarrow as pa
import pytest

from loadtests.records.schema import SAMPLES
from loadtests.run.batches import TOGETHER_NS, late_fraction
from tests.loadtests.run.synthetic import cell_tables
from tests.loadtests.run.test_counts import spec


def read_together(*due_ns: int, subscribers: int = 2) -> pa.Table:
    """Four messages to each subscriber; the first one hears those due at `due_ns` in one read."""
    rows = cell_tables(spec(subscribers), from_ns=0, to_ns=10**9, messages=4).samples.to_pylist()
    for row, due in zip([row for row in rows if row["subscriber"] == 0], due_ns, strict=False):
        row |= {"scheduled_ns": due, "user_rx_ns": 10**9, "batch_size": len(due_ns)}
    return pa.Table.from_pylist(rows, schema=SAMPLES)


@pytest.mark.parametrize(
    ("due_ns", "fraction"),
    [
        ((), 0.0),
        ((0, TOGETHER_NS), 0.0),
        ((0, TOGETHER_NS + 1), 2 / 8),
        ((0, 10, TOGETHER_NS + 1), 3 / 8),
    ],
)
def test_only_what_was_due_further_apart_counts(due_ns: tuple[int, ...], fraction: float) -> None:
    assert late_fraction(read_together(*due_ns)) == pytest.approx(fraction)


def test_reads_of_two_subscribers_at_one_instant_are_two_reads() -> None:
    samples = read_together(0, 10)
    rows = samples.to_pylist()
    for row in rows:
        row["user_rx_ns"] = 10**9
    assert late_fraction(pa.Table.from_pylist(rows, schema=SAMPLES).slice(0, 2)) == 0.0


def test_of_nothing_there_is_no_share() -> None:
    assert late_fraction(SAMPLES.empty_table()) is None
