"""Delivery latency and the percentile rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.records.schema import ABSENT_NS
from loadtests.report import latency


def _samples(scheduled: list[int], kernel: list[int], user: list[int]) -> pd.DataFrame:
    n = len(scheduled)
    return pd.DataFrame(
        {
            "cell": ["a"] * n,
            "room": [0] * n,
            "offset": [1] * n,
            "scheduled_ns": scheduled,
            "kernel_rx_ns": kernel,
            "user_rx_ns": user,
        }
    )


def test_latency_counts_from_the_schedule_to_the_kernel() -> None:
    samples = _samples([1_000_000], [3_500_000], [9_000_000])
    assert latency.delivery_latency_ms(samples) == pytest.approx([2.5])


def test_without_a_kernel_stamp_the_user_stamp_counts() -> None:
    samples = _samples([0, 0], [ABSENT_NS, 1_000_000], [7_000_000, 7_000_000])
    assert latency.delivery_latency_ms(samples) == pytest.approx([7.0, 1.0])


def test_first_to_last_is_the_span_of_one_event() -> None:
    samples = _samples([0, 0, 0], [1_000_000, 4_000_000, 2_000_000], [0, 0, 0])
    assert latency.first_to_last_ms(samples) == pytest.approx([3.0])


@pytest.mark.parametrize(("percent", "least"), [(50, 20), (90, 100), (99, 1_000), (99.9, 10_000)])
def test_a_percentile_needs_ten_samples_beyond_it(percent: float, least: int) -> None:
    ascending = np.arange(1.0, least + 1)
    assert latency.percentile(ascending, percent) == pytest.approx(least * percent / 100)
    assert latency.percentile(ascending[1:], percent) is None


@pytest.mark.parametrize("percent", [0, 100, -1, 101])
def test_what_is_no_percentile_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        latency.can_state(1000, percent)


def test_the_maximum_is_stated_from_the_first_sample_on() -> None:
    assert latency.percentiles(np.array([4.2])).max_ms == 4.2
    assert latency.percentiles(np.array([4.2])).p50_ms is None
    assert latency.percentiles(np.empty(0)).max_ms is None


@given(st.lists(st.floats(0.001, 1e4), min_size=1, max_size=3000), st.integers(60, 300))
def test_a_thinned_ecdf_stays_on_the_whole_one(values: list[float], points: int) -> None:
    ascending = np.sort(np.array(values))
    thin = latency.ecdf(ascending, points)
    assert len(thin.latency_ms) <= max(points, 1) + 2
    assert thin.latency_ms[-1] == ascending[-1]
    assert thin.fraction[-1] == 1
    rank = np.round(thin.fraction * len(ascending)).astype(int)
    assert np.array_equal(thin.latency_ms, ascending[rank - 1])
    assert np.all(np.diff(thin.fraction) > 0)
