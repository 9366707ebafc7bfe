"""What was owed and had not come when the grace ended: its latency is at least the time until then (right-censored).

Such deliveries take their place among those that came, at the lower bound that is known. An order statistic below the
least of these bounds is exact, whatever the missing ones would have taken; one at it or above is a lower bound itself,
a `bounds.AtLeast`. No value is ever put in place of what is not known, and no distribution is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadtests.records.schema import ABSENT_NS, Cell, Counts, Run

SAMPLE_COLUMNS = ("publisher", "message", "subscriber")
"""What is read of `samples.parquet` besides `latency.SAMPLE_COLUMNS` where anything is missing."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Missing:
    """The deliveries that were owed and never came, one entry each."""

    at_least_ms: FloatArray
    scheduled_ns: IntArray


NONE = Missing(np.empty(0), np.empty(0, dtype=np.int64))


def misses(cell: Cell) -> bool:
    """Whether a cell misses deliveries, and says until when they were awaited (earlier versions did not)."""
    return cell.counts is not None and cell.counts.lost > 0 and cell.counts.until_ns is not None


def any_missing(run: Run) -> bool:
    """Whether any cell of a run misses deliveries."""
    return any(map(misses, run.cells))


def missing(cell: Cell, samples: pd.DataFrame | None, publishes: pd.DataFrame | None) -> Missing:
    """Return the cell's missing deliveries of the measured phase, from its rows of that phase (None: it has none)."""
    if cell.counts is None or publishes is None or not misses(cell):
        return NONE
    return of(cell.counts, cell.subscribers, cell.rooms, samples, publishes)


def of(counts: Counts, subscribers: int, rooms: int, samples: pd.DataFrame | None, publishes: pd.DataFrame) -> Missing:
    """Return what is missing of publications: owed is each at every subscriber of its room, unless an error answered.

    `samples` needs `SAMPLE_COLUMNS`, `publishes` those of `schema.PUBLISHES`.
    """
    if counts.until_ns is None:
        return NONE
    refused = (publishes["accepted_ns"] == ABSENT_NS) & (publishes["refused_ns"] != ABSENT_NS)
    owed = publishes[~refused]
    in_room = np.bincount(np.arange(subscribers) % rooms, minlength=rooms)
    times = np.maximum(0, in_room[owed["room"].to_numpy(dtype=np.int64)] - _receivers(owed, samples))
    scheduled_ns = np.repeat(owed["scheduled_ns"].to_numpy(dtype=np.int64), times)
    return Missing(np.maximum(0, counts.until_ns - scheduled_ns) / 1e6, scheduled_ns)


def _receivers(owed: pd.DataFrame, samples: pd.DataFrame | None) -> IntArray:
    """Return how many subscribers got each publication, in row order."""
    if samples is None:
        return np.zeros(len(owed), dtype=np.int64)
    distinct = samples[list(SAMPLE_COLUMNS)].drop_duplicates()
    by_message = distinct.groupby(["publisher", "message"]).size().rename("got").reset_index()
    joined = owed[["publisher", "message"]].merge(by_message, on=["publisher", "message"], how="left")
    receivers: IntArray = joined["got"].fillna(0).to_numpy(dtype=np.int64)
    return receivers
