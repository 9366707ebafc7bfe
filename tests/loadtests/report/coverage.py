"""How often the bootstrap's 95 % interval of the median holds the truth, by simulation.

`python -m tests.loadtests.report.coverage` prints the table of `docs/methodology.md` (a few minutes).
"""

from __future__ import annotations

import sys

import numpy as np

from loadtests.report import bootstrap
from loadtests.report.bootstrap import BlockedLatency

RUN_BLOCKS = (1, 2, 3, 5)
RUN_SPREADS = (0.0, 0.03, 0.1)
REPEATS = 200


def sample(
    rng: np.random.Generator,
    *,
    run_blocks: int = 3,
    time_blocks: int = 8,
    run_spread: float = 0.02,
    time_spread: float = 0.1,
    scale: float = 1.0,
) -> BlockedLatency:
    """Log-normal latencies with median `scale` ms that share a factor per run block and another per time block."""
    n = 40
    factor = np.exp(
        rng.normal(0, run_spread, (run_blocks, 1, 1)) + rng.normal(0, time_spread, (run_blocks, time_blocks, 1))
    )
    values = scale * factor * np.exp(rng.normal(0, 0.3, (run_blocks, time_blocks, n)))
    run, time, _ = np.indices(values.shape)
    scheduled = (time + run * 1000) * int(bootstrap.TIME_BLOCK_S * 1e9)
    return bootstrap.block(values.ravel(), scheduled.ravel().astype(np.int64), run.ravel().astype(np.int64))


def coverage(run_blocks: int, run_spread: float) -> float:
    """Return the share of `REPEATS` runs whose interval holds the true median, 1 ms."""
    rng = np.random.default_rng(1)
    held = 0
    for seed in range(REPEATS):
        estimate = bootstrap.estimate(sample(rng, run_blocks=run_blocks, run_spread=run_spread), 50, seed)
        held += estimate.low_ms <= 1.0 <= estimate.high_ms
    return held / REPEATS


if __name__ == "__main__":
    for run_blocks in RUN_BLOCKS:
        cells = (f"{100 * coverage(run_blocks, run_spread):.0f} %" for run_spread in RUN_SPREADS)
        sys.stdout.write(f"| {run_blocks} | {' | '.join(cells)} |\n")
