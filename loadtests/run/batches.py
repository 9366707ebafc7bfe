"""Which deliveries shared a read as the reader was late, and which because the schedule had them together. Pure.

Of deliveries that share a read only the last one's stamp is known. Random arrivals put some messages closer together
than any reader could part them: their stamps are off by no more than their distance. What was due further apart than
`TOGETHER_NS` and still came in one read waited for the reader.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.schema import ABSENT_NS

TOGETHER_NS = 1_000_000
"""As late as a read may be before its cell is doubted (`run.validity`, p99 from kernel receive to read)."""


def late_fraction(samples: pa.Table) -> float | None:
    """Return the share of deliveries in reads of several that were due more than `TOGETHER_NS` apart; None of none."""
    samples = samples.filter(pc.not_equal(samples["scheduled_ns"], ABSENT_NS))
    if not samples.num_rows:
        return None
    subscriber, read_ns, due_ns, size = (
        samples[name].to_numpy().astype(np.int64) for name in ("subscriber", "user_rx_ns", "scheduled_ns", "batch_size")
    )
    _, read = np.unique(np.stack([subscriber, read_ns]), axis=1, return_inverse=True)
    first_ns = np.full(read.max() + 1, np.iinfo(np.int64).max)
    last_ns = np.full(read.max() + 1, np.iinfo(np.int64).min)
    np.minimum.at(first_ns, read, due_ns)
    np.maximum.at(last_ns, read, due_ns)
    late = (size > 1) & ((last_ns - first_ns)[read] > TOGETHER_NS)
    return float(late.mean())
