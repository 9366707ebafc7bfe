"""Delivery latency and its percentiles.

Delivery latency = `kernel_rx_ns` - `scheduled_ns` (`user_rx_ns` where there is no kernel stamp): the time from when the
open-loop schedule *wanted* the message published, so a publisher held up by the server counts against the server.
Never here: an average of percentiles. Percentiles are of pooled deliveries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadtests.runs.schema import ABSENT_NS, Phase

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MIN_BEYOND = 10
"""A percentile is stated only with at least this many samples beyond it."""

SAMPLE_COLUMNS = ("cell", "scheduled_ns", "sent_ns", "kernel_rx_ns", "user_rx_ns", "room", "offset", "phase")
"""What the analysis reads of `samples.parquet`."""

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles in ms of `n` deliveries; None where fewer than `MIN_BEYOND` samples lie beyond."""

    n: int
    mean_ms: float | None  # only ever shown beside a model that speaks of means
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class Ecdf:
    """An empirical distribution thinned for drawing: `fraction[i]` of the deliveries took at most `latency_ms[i]`."""

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
    latency_ms: FloatArray = (received_ns(samples) - scheduled) / _NS_PER_MS
    return latency_ms


def can_state(n: int, percent: float) -> bool:
    """Tell whether `n` samples leave at least `MIN_BEYOND` beyond the given percentile."""
    if not 0 < percent < 100:
        raise ValueError(f"percentile {percent} must lie between 0 and 100, both excluded")
    return round(n * (100 - percent) / 100, 6) >= MIN_BEYOND


def percentile(sorted_ms: FloatArray, percent: float) -> float | None:
    """Return the smallest sample with at least `percent` of all at or below it; None where it cannot be stated."""
    n = len(sorted_ms)
    if not can_state(n, percent):
        return None
    rank = int(np.ceil(round(n * percent / 100, 6)))
    return float(sorted_ms[rank - 1])


def percentiles(sorted_ms: FloatArray) -> Percentiles:
    """Summarise ascending latencies in ms."""
    return Percentiles(
        n=len(sorted_ms),
        mean_ms=float(sorted_ms.mean()) if len(sorted_ms) else None,
        p50_ms=percentile(sorted_ms, 50),
        p90_ms=percentile(sorted_ms, 90),
        p99_ms=percentile(sorted_ms, 99),
        p999_ms=percentile(sorted_ms, 99.9),
        max_ms=float(sorted_ms[-1]) if len(sorted_ms) else None,
    )


def ecdf(sorted_ms: FloatArray, points: int = 240) -> Ecdf:
    """Thin ascending latencies to about `points` steps: evenly in the body, by decades in both tails."""
    n = len(sorted_ms)
    if n <= points:
        return Ecdf(sorted_ms, np.arange(1, n + 1) / n if n else np.empty(0), n)
    tail = np.geomspace(1 / n, 0.01, points // 4)
    body = np.linspace(0.01, 0.99, points - 2 * len(tail))
    wanted = np.concatenate([tail, body, 1 - tail])
    rank = np.unique(np.clip(np.ceil(wanted * n).astype(np.int64), 1, n))
    rank = np.unique(np.concatenate([rank, [n]]))
    return Ecdf(sorted_ms[rank - 1], rank / n, n)


def first_to_last_ms(samples: pd.DataFrame) -> FloatArray:
    """Return, per event (cell, room, offset), the time in ms between its first and its last receiver, ascending."""
    if samples.empty:
        return np.empty(0)
    frame = samples[["cell", "room", "offset"]].assign(rx=received_ns(samples))
    by_event = frame.groupby(["cell", "room", "offset"], observed=True)["rx"]
    skew = (by_event.max() - by_event.min()).to_numpy(dtype=np.float64) / _NS_PER_MS
    return np.sort(skew)
