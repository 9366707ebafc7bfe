"""Offset and drift between two clocks: whatever the ways take, the truth lies within what the fit states."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.load.users.clock_fit import fit

S = 1_000_000_000


def exchanges(offset_s: float, drift: float, seed: int, least_way_s: float = 0.0002) -> list[tuple[int, int, int]]:
    """A minute of exchanges whose ways take as long as they like; the worker's clock began at 7,000 s."""
    ways, found = random.Random(seed), []
    for tick in range(300):
        there_s, back_s = (least_way_s + ways.expovariate(1 / 0.003) for _ in range(2))
        worker_s = 7000 + tick * 0.2

        def master_s(at_s: float) -> float:
            return at_s + offset_s + drift * (at_s - 7000)

        read_s = worker_s + there_s
        found.append((round(worker_s * S), round(master_s(read_s) * S), round((read_s + back_s) * S)))
    return found


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([5000.0, -100.0, 0.0]), st.floats(-100e-6, 100e-6), st.integers(0, 1000))
def test_the_truth_lies_within_the_stated_bound(offset_s: float, drift: float, seed: int) -> None:
    found = fit(exchanges(offset_s, drift, seed))
    assert found is not None
    at_s = np.linspace(7000, 7060, 50)
    offset_ns, uncertainty_ns = found.offset_ns(np.rint(at_s * S).astype(np.int64))
    truth_ns = (offset_s + drift * (at_s - 7000)) * S
    assert (np.abs(offset_ns - truth_ns) <= uncertainty_ns + 10).all()
    assert uncertainty_ns.max() < 2_000_000, "the quickest of many exchanges bound it, not the usual ones"
    drift_ppm, unsure_ppm = found.drift_ppm
    assert abs(drift_ppm - drift * 1e6) <= unsure_ppm + 0.1 < 40


def test_a_clock_that_steps_is_not_explained_by_a_drift() -> None:
    taken = exchanges(0.0, 0.0, 1)
    stepped = [(t1, t2 + 50_000_000 * (tick > 150), t3) for tick, (t1, t2, t3) in enumerate(taken)]
    assert fit(stepped) is None
    assert fit(taken[:4]) is None, "too few to state anything"
