"""Delivery latency and its percentiles, with the deliveries that never came.

Delivery latency = `kernel_rx_ns` - `scheduled_ns` (`user_rx_ns` where there is no kernel stamp): the time from when the
open-loop schedule *wanted* the message published, so a publisher held up by the server counts against the server.
Never here: an average of percentiles. Percentiles are of pooled deliveries, of all that were owed.

A delivery that was owed and had not come when the grace ended took at least the time until then (right-censored). It
takes its place among those that came, at this lower bound. An order statistic below the least of these bounds is exact,
whatever the missing ones would have taken; one at it or above is a lower bound itself, an `AtLeast`. No value is ever
put in place of what is not known, and no distribution is assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadtests.records.schema import ABSENT_NS, Cell, Counts, Phase, Run
from loadtests.report.quantity import AtLeast

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MIN_BEYOND = 10
"""A percentile is stated only with at least this many samples beyond it."""

SAMPLE_COLUMNS = ("cell", "scheduled_ns", "sent_ns", "kernel_rx_ns", "user_rx_ns", "room", "offset", "phase")
"""What the analysis reads of `samples.parquet`."""

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles in ms of `n` deliveries that were owed; None where fewer than `MIN_BEYOND` of them lie beyond.

    An `AtLeast` where the percentile falls on a delivery that never came, or beyond the first of them.
    """

    n: int
    mean_ms: float | None  # only ever shown beside a model that speaks of means
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    missing: int = 0  # of `n`: never came

    @property
    def received(self) -> int:
        """How many of them came."""
        return self.n - self.missing


@dataclass(frozen=True, slots=True)
class Ecdf:
    """An empirical distribution thinned for drawing: `fraction[i]` of the deliveries took at most `latency_ms[i]`.

    It ends where it is no longer known: `fraction` reaches 1 only if nothing is missing.
    """

    latency_ms: FloatArray
    fraction: FloatArray
    n: int


def measured(samples: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of the measured phase; warm-up is never part of a figure."""
    return samples[samples["phase"] == Phase.MEASURED]


def timed(samples: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows that have a latency: another clock's stamp cannot be subtracted from ours."""
    return samples[samples["scheduled_ns"] != ABSENT_NS]


def received_ns(samples: pd.DataFrame) -> IntArray:
    """Return the best receive stamp of each row: the kernel's, else Python's."""
    kernel = samples["kernel_rx_ns"].to_numpy(dtype=np.int64)
    user = samples["user_rx_ns"].to_numpy(dtype=np.int64)
    return np.where(kernel == ABSENT_NS, user, kernel)


def delivery_latency_ms(samples: pd.DataFrame) -> FloatArray:
    """Return the delivery latency of each row in ms, in row order."""
    scheduled = samples["scheduled_ns"].to_numpy(dtype=np.int64)
    return np.asarray((received_ns(samples) - scheduled) / _NS_PER_MS, dtype=np.float64)


def can_state(n: int, percent: float) -> bool:
    """Return whether `n` samples leave at least `MIN_BEYOND` beyond the given percentile."""
    if not 0 < percent < 100:
        raise ValueError(f"percentile {percent} must lie between 0 and 100, both excluded")
    return round(n * (100 - percent) / 100, 6) >= MIN_BEYOND


@dataclass(frozen=True, slots=True)
class Ascending:
    """Latencies in ms in ascending order, missing ones at their lower bounds; the first `exact` of them are known."""

    ms: FloatArray
    exact: int

    @property
    def known_below_ms(self) -> float:
        """The least lower bound of a missing delivery: what lies below it is exact. Infinity if nothing is missing."""
        return float(self.ms[self.exact]) if self.exact < len(self.ms) else math.inf


def ascending(latency_ms: FloatArray, at_least_ms: FloatArray | None = None) -> Ascending:
    """Sort latencies together with the lower bounds of those that never came."""
    if at_least_ms is None or not len(at_least_ms):
        return Ascending(np.sort(latency_ms), len(latency_ms))
    both = np.sort(np.concatenate([latency_ms, at_least_ms]))
    return Ascending(both, int((latency_ms < at_least_ms.min()).sum()))


def percentile(sorted_ms: FloatArray, percent: float, exact: int | None = None) -> float | None:
    """Return the smallest sample with at least `percent` of all at or below it; None where it cannot be stated.

    Only the first `exact` samples are known (None: all): beyond them it is an `AtLeast`.
    """
    n = len(sorted_ms)
    if not can_state(n, percent):
        return None
    value = float(sorted_ms[rank_of(n, percent) - 1])
    return value if exact is None or rank_of(n, percent) <= exact else AtLeast(value)


def order_statistic(values: FloatArray, percent: float) -> float:
    """Return the smallest of any number of values with at least `percent` of all at or below it; NaN of nothing."""
    return float(np.sort(values)[rank_of(len(values), percent) - 1]) if len(values) else math.nan


def rank_of(n: int, percent: float) -> int:
    """Return which of `n` ascending values, from 1, is the smallest with at least `percent` of all at or below it."""
    return math.ceil(round(n * percent / 100, 6))


def percentiles(sorted_ms: FloatArray, exact: int | None = None, missing: int = 0) -> Percentiles:
    """Summarise ascending latencies in ms: the first `exact` are known (None: all), `missing` of them never came."""
    n = len(sorted_ms)
    whole = float if exact is None or exact == n else AtLeast  # mean and maximum are of all
    return Percentiles(
        n=n,
        mean_ms=whole(sorted_ms.mean()) if n else None,
        p50_ms=percentile(sorted_ms, 50, exact),
        p90_ms=percentile(sorted_ms, 90, exact),
        p99_ms=percentile(sorted_ms, 99, exact),
        p999_ms=percentile(sorted_ms, 99.9, exact),
        max_ms=whole(sorted_ms[-1]) if n else None,
        missing=missing,
    )


def ecdf(sorted_ms: FloatArray, points: int = 120, exact: int | None = None) -> Ecdf:
    """Thin ascending latencies to about `points` steps: evenly in the body, by decades in both tails.

    Beyond the first `exact` (None: all) nothing is drawn.
    """
    n = len(sorted_ms)
    if n <= points:
        rank = np.arange(1, n + 1)
    else:
        tail = np.geomspace(1 / n, 0.01, points // 4)
        body = np.linspace(0.01, 0.99, points - 2 * len(tail))
        wanted = np.concatenate([tail, body, 1 - tail])
        rank = np.unique(np.clip(np.ceil(wanted * n).astype(np.int64), 1, n))
        rank = np.unique(np.concatenate([rank, [n]]))
    if exact is not None and exact < n:
        rank = np.append(rank[rank < exact], [exact] * (exact > 0)).astype(np.int64)
    return Ecdf(sorted_ms[rank - 1], rank / n if n else np.empty(0), n)


def first_to_last_ms(samples: pd.DataFrame) -> FloatArray:
    """Return, per event (cell, room, offset), the time in ms between its first and its last receiver, ascending."""
    if samples.empty:
        return np.empty(0)
    frame = samples[["cell", "room", "offset"]].assign(rx=received_ns(samples))
    by_event = frame.groupby(["cell", "room", "offset"], observed=True)["rx"]
    skew = (by_event.max() - by_event.min()).to_numpy(dtype=np.float64) / _NS_PER_MS
    return np.sort(skew)


IDENTITY_COLUMNS = ("publisher", "message", "subscriber")
"""What is read missing_of `samples.parquet` besides `SAMPLE_COLUMNS` where anything is missing."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The deliveries that were owed and never came, one entry each."""

    at_least_ms: FloatArray
    scheduled_ns: IntArray


NOTHING_MISSING = Missing(np.empty(0), np.empty(0, dtype=np.int64))


def misses(cell: Cell) -> bool:
    """Whether a cell misses deliveries, and says until when they were awaited (earlier versions did not)."""
    return cell.counts is not None and cell.counts.lost > 0 and cell.counts.until_ns is not None


def any_missing(run: Run) -> bool:
    """Whether any cell missing_of a run misses deliveries."""
    return any(map(misses, run.cells))


def missing(cell: Cell, samples: pd.DataFrame | None, publishes: pd.DataFrame | None) -> Missing:
    """Return the cell's missing deliveries of the measured phase, from its rows of that phase (None: it has none)."""
    if cell.counts is None or publishes is None or not misses(cell):
        return NOTHING_MISSING
    return missing_of(cell.counts, cell.subscribers, cell.rooms, samples, publishes)


def missing_of(
    counts: Counts, subscribers: int, rooms: int, samples: pd.DataFrame | None, publishes: pd.DataFrame
) -> Missing:
    """Return what is missing of publications: owed is each at every subscriber of its room, unless an error answered.

    `samples` needs `IDENTITY_COLUMNS`, `publishes` those of `schema.PUBLISHES`.
    """
    if counts.until_ns is None:
        return NOTHING_MISSING
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
    distinct = samples[list(IDENTITY_COLUMNS)].drop_duplicates()
    by_message = distinct.groupby(["publisher", "message"]).size().rename("got").reset_index()
    joined = owed[["publisher", "message"]].merge(by_message, on=["publisher", "message"], how="left")
    return np.asarray(joined["got"].fillna(0), dtype=np.int64)
