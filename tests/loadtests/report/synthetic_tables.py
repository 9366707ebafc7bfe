"""The tables of a made-up cell: latencies drawn from known distributions, and the rows that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.schema import ABSENT_NS, PUBLISHES, SAMPLES, TIMELINE

WARM_UP_S = 1.0
POLL_INTERVAL_S = 1.0
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """What is planted for one transport."""

    base_ms: float = 0.2
    spread: float = 0.25  # sigma of the log of the noise around `base_ms`
    us_per_subscriber: float = 4.0  # each receiver waits this much longer than the one before
    grid: bool = False  # short polling on a fixed grid of POLL_INTERVAL_S
    run_block_spread: float = 0.03
    cpu_us: float = 30.0
    bytes_down: float = 220.0
    kib: float = 25.0


def latency_ns(rng: np.random.Generator, truth: Truth, scheduled: IntArray, subscribers: int) -> IntArray:
    """Draw the latencies of a cell; shape (messages, subscribers)."""
    shape = (len(scheduled), subscribers)
    pass_factor = np.exp(rng.normal(0, truth.run_block_spread))
    per_message = np.exp(rng.normal(0, 0.1, (len(scheduled), 1)))
    noise = np.exp(rng.normal(0, truth.spread, shape))
    queue_ms = np.arange(subscribers)[None, :] * truth.us_per_subscriber / 1e3
    software = (truth.base_ms * pass_factor * per_message * noise + queue_ms) * 1e6
    if truth.grid:
        grid = int(POLL_INTERVAL_S * 1e9)
        # Spread evenly over the grid, at an odd start so that no message falls on a subscriber's instant.
        phases = (np.arange(subscribers) + rng.uniform(0.2, 0.8)) * grid / subscribers
        software += (phases[None, :] - scheduled[:, None]) % grid
    drawn: IntArray = software.astype(np.int64)
    return drawn


def samples(
    cell: str, truth: Truth, scheduled: IntArray, phase: npt.NDArray[np.int8], latency_ns: IntArray, kernel: bool
) -> pa.Table:
    messages, subscribers = latency_ns.shape
    n = messages * subscribers
    intended = np.repeat(scheduled, subscribers)
    received = intended + latency_ns.ravel()
    message = np.repeat(np.arange(messages), subscribers)
    columns = {
        "cell": _cell_column(cell, n),
        "scheduled_ns": intended,
        "sent_ns": intended + 20_000,
        "kernel_rx_ns": received if kernel else np.full(n, ABSENT_NS),
        "user_rx_ns": received + 50_000,
        "publisher": np.zeros(n, dtype=np.int32),
        "message": message.astype(np.int32),
        "subscriber": np.tile(np.arange(subscribers, dtype=np.int32), messages),
        "room": np.zeros(n, dtype=np.int32),
        "offset": message.astype(np.int64) + 1,
        "payload_bytes": np.full(n, 128, dtype=np.int32),
        "wire_bytes": np.full(n, int(truth.bytes_down), dtype=np.int32),
        "batch_size": np.ones(n, dtype=np.int32),
        "phase": np.repeat(phase, subscribers),
    }
    return pa.table(columns, schema=SAMPLES)


def _cell_column(cell: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(n, dtype=np.int16), pa.array([cell]))


def publishes(cell: str, scheduled: IntArray, phase: npt.NDArray[np.int8], unanswered: int) -> pa.Table:
    n = len(scheduled)
    answered = np.arange(n) < n - unanswered
    columns = {
        "cell": _cell_column(cell, n),
        "publisher": np.zeros(n, dtype=np.int32),
        "message": np.arange(n, dtype=np.int32),
        "room": np.zeros(n, dtype=np.int32),
        "scheduled_ns": scheduled,
        "sent_ns": scheduled + 20_000,
        "accepted_ns": np.where(answered, scheduled + 400_000, ABSENT_NS),
        "offset": np.where(answered, np.arange(1, n + 1, dtype=np.int64), -1),
        "phase": phase,
        "refused_ns": np.full(n, ABSENT_NS),
    }
    return pa.table(columns, schema=PUBLISHES)


def timeline(
    rng: np.random.Generator, cell: str, start_ns: int, measured_s: float, truth: Truth, per_s: float
) -> pa.Table:
    n = int(measured_s + WARM_UP_S)
    seconds = np.arange(1, n + 1)
    columns = {
        "cell": _cell_column(cell, n),
        "t_ns": start_ns + seconds * 10**9,
        "phase": (seconds > WARM_UP_S).astype(np.int8),
        "server_cpu_percent": per_s * truth.cpu_us / 1e4 * rng.uniform(0.9, 1.1, n),
        "server_rss_kib": np.full(n, 60_000.0),
        "server_connections": np.full(n, 50, dtype=np.int32),
        "server_outbox_bytes": np.zeros(n, dtype=np.int64),
        "generator_cpu_percent": per_s * 50 / 1e4 * rng.uniform(0.9, 1.1, n),
        "generator_rss_kib": np.full(n, 120_000.0),
        "generator_lag_ms": rng.uniform(0.1, 1.5, n),
        "foreign_cpu_percent": rng.uniform(0, 5, n),
    }
    return pa.table(columns, schema=TIMELINE)
