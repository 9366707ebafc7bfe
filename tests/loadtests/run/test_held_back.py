"""Reads that held several deliveries lose a stamp that may be older than what it stamps; others keep theirs."""

from __future__ import annotations

import pyarrow as pa

from loadtests.records.schema import ABSENT_NS, SAMPLES
from loadtests.run.held_back import unstamped
from tests.loadtests.run.synthetic import cell_tables
from tests.loadtests.run.test_counts import spec


def test_only_reads_of_several_deliveries_lose_their_kernel_stamp() -> None:
    tables = cell_tables(spec(subscribers=1), from_ns=0, to_ns=10**9, messages=3)
    rows = tables.samples.to_pylist()
    rows[1]["batch_size"] = 2
    samples = pa.Table.from_pylist(rows, schema=SAMPLES)

    left = unstamped(samples)

    assert left.schema == SAMPLES
    stamps = samples["kernel_rx_ns"].to_pylist()
    assert left["kernel_rx_ns"].to_pylist() == [stamps[0], ABSENT_NS, stamps[2]]
    assert left.drop_columns(["kernel_rx_ns"]) == samples.drop_columns(["kernel_rx_ns"])
