"""Intervals hold the truth about as often as they say; differences are found when, and only when, they are there."""

from __future__ import annotations

import numpy as np
import pytest

from loadtests.report import bootstrap
from tests.loadtests.report.coverage import sample

REPEATS = 40


def test_intervals_of_the_median_hold_the_truth() -> None:
    rng = np.random.default_rng(7)
    estimates = [bootstrap.estimate(sample(rng), 50, seed) for seed in range(REPEATS)]
    held = sum(e.low_ms <= 1.0 <= e.high_ms for e in estimates)
    assert held >= 0.85 * REPEATS
    # Not by being as wide as can be: one time block's factor alone varies by 10 %.
    assert np.median([e.high_ms - e.low_ms for e in estimates]) < 0.2


@pytest.mark.parametrize("run_spread", [0.0, 0.05])
def test_the_same_transport_twice_is_seldom_called_different(run_spread: float) -> None:
    rng = np.random.default_rng(8)
    different = 0
    for seed in range(REPEATS):
        a, b = sample(rng, run_spread=run_spread), sample(rng, run_spread=run_spread)
        different += not bootstrap.difference(a, b, 50, seed).indistinguishable
    assert different <= 0.15 * REPEATS


def test_a_planted_difference_is_found_with_its_size_and_sign() -> None:
    rng = np.random.default_rng(9)
    found = [bootstrap.difference(sample(rng, scale=1.5), sample(rng), 50, seed) for seed in range(REPEATS)]
    assert sum(not d.indistinguishable for d in found) >= 0.9 * REPEATS
    assert np.median([d.value_ms for d in found]) == pytest.approx(0.5, abs=0.05)
    assert all(d.low_ms > 0 for d in found if not d.indistinguishable)


def test_a_difference_of_the_detectable_size_is_mostly_found() -> None:
    rng = np.random.default_rng(10)
    detectable = np.median(
        [bootstrap.difference(sample(rng), sample(rng), 50, s).smallest_detectable_ms for s in range(REPEATS)]
    )
    found = sum(
        not bootstrap.difference(sample(rng, scale=1 + float(detectable)), sample(rng), 50, s).indistinguishable
        for s in range(REPEATS)
    )
    assert found >= 0.6 * REPEATS


def test_differences_below_the_instruments_resolution_are_none() -> None:
    values = np.full(4000, 1.0)
    scheduled = np.arange(4000, dtype=np.int64) * 10**7
    run_block = np.repeat(np.arange(4), 1000)
    a = bootstrap.block(values, scheduled, run_block)
    b = bootstrap.block(values + 0.9 * bootstrap.RESOLUTION_MS, scheduled, run_block)
    c = bootstrap.block(values + 1.1 * bootstrap.RESOLUTION_MS, scheduled, run_block)
    assert bootstrap.difference(b, a, 50).indistinguishable
    assert not bootstrap.difference(c, a, 50).indistinguishable


def test_pairing_by_run_block_takes_out_what_the_blocks_share() -> None:
    rng = np.random.default_rng(11)
    shared = np.repeat([1.0, 5.0, 9.0], 800)
    scheduled = np.tile(np.arange(800, dtype=np.int64) * 10**7, 3)
    run_block = np.repeat(np.arange(3), 800)
    a = bootstrap.block(shared + rng.normal(0, 0.05, 2400), scheduled, run_block)
    b = bootstrap.block(shared + 0.2 + rng.normal(0, 0.05, 2400), scheduled, run_block)
    elsewhere = bootstrap.block(shared + 0.2 + rng.normal(0, 0.05, 2400), scheduled, run_block + 100)
    assert not bootstrap.difference(b, a, 50).indistinguishable
    assert bootstrap.difference(elsewhere, a, 50).indistinguishable


def test_with_one_run_block_the_interval_comes_from_time_blocks_alone() -> None:
    estimate = bootstrap.estimate(sample(np.random.default_rng(12), run_blocks=1), 50)
    assert estimate.run_blocks == 1
    assert estimate.low_ms < estimate.value_ms < estimate.high_ms


def test_no_interval_of_p99_begins_below_the_median() -> None:
    scheduled = np.arange(4000, dtype=np.int64) * 10**6
    run_block = np.repeat([0, 1], 2000)
    slow_share = np.where(run_block == 0, 0.011, 0.5)  # of two run blocks one is slow: Student's t is 12.7 wide
    latencies = np.where(np.random.default_rng(3).random(4000) < slow_share, 50.0, 10.0) + np.arange(4000) / 1e6
    drawn = bootstrap.block(latencies, scheduled, run_block)
    p50, p99 = (bootstrap.estimate(drawn, percent) for percent in (50, 99))
    assert p99.low_ms >= p50.value_ms
    assert p99.low_ms <= p99.value_ms <= p99.high_ms


def test_few_values_are_counted_exactly() -> None:
    latencies = np.array([1.0] * 60 + [9.0] * 40)
    sample = bootstrap.block(latencies, np.arange(100, dtype=np.int64) * 10**8, np.zeros(100, dtype=np.int64))
    assert bootstrap.estimate(sample, 50).value_ms == 1.0
    assert bootstrap.estimate(sample, 90).value_ms == 9.0


def test_many_values_are_binned_without_moving_percentiles() -> None:
    latencies = np.random.default_rng(13).lognormal(0, 1, 200_000)
    sample = bootstrap.block(latencies, np.arange(200_000, dtype=np.int64) * 10**5, np.zeros(200_000, dtype=np.int64))
    for percent in (50, 90, 99, 99.9):
        assert bootstrap.estimate(sample, percent).value_ms == pytest.approx(
            np.percentile(latencies, percent), rel=0.005
        )


def test_the_same_seed_gives_the_same_interval() -> None:
    drawn = sample(np.random.default_rng(14))
    assert bootstrap.estimate(drawn, 50, seed=3) == bootstrap.estimate(drawn, 50, seed=3)


def test_nothing_can_be_resampled_from_nothing() -> None:
    with pytest.raises(ValueError, match="no deliveries"):
        bootstrap.block(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


@pytest.mark.parametrize(("dof", "table"), [(1, 12.706), (2, 4.303), (5, 2.571), (30, 2.042), (1000, 1.962)])
def test_students_t_agrees_with_the_tables(dof: float, table: float) -> None:
    assert bootstrap.student_t(0.975, dof) == pytest.approx(table, rel=2e-3)
