"""Checks compare with what was planted, and a planted truth that was not found is outside of its bound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from loadtests.evidence.calibration import findings
from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.findings import FULL, Found
from loadtests.records.calibration import Check
from loadtests.records.cell_spec import Load
from loadtests.records.schema import Counts
from loadtests.run.targets import target

MESSAGES = 2000


def found(faults: Faults, *, transport: str = "websocket", error_ms: float = 0.0, grid_s: float = 1.0) -> Found:
    """One subscriber that receives every message after the fixed delay and `error_ms`, and no fault but that."""
    offsets = np.arange(1, MESSAGES + 1)
    return Found(
        target=target(transport),
        load=Load(name="made", subscribers=1, rate_per_s=20.0, poll_interval_s=grid_s),
        faults=faults,
        latency_ms=np.full(MESSAGES, faults.delay_ms + error_ms),
        offset=offsets,
        published_offset=offsets,
        published_ms=np.asarray(offsets * 50, dtype=np.float64),
        counts=Counts(MESSAGES, 0, MESSAGES, MESSAGES, 0, 0, 0, 0, 0),
        connect_ms=(),
    )


def only(checks: Iterable[Check]) -> Check:
    (check,) = checks
    return check


@pytest.mark.parametrize(
    ("error_ms", "p50_within", "p99_within"), [(0.05, True, True), (0.3, False, True), (-0.6, False, False)]
)
def test_a_delay_is_held_to_the_bounds_on_both_sides(error_ms: float, p50_within: bool, p99_within: bool) -> None:
    p50, p99 = findings.delay(found(Faults(), error_ms=error_ms), FULL)
    assert (p50.within, p99.within) == (p50_within, p99_within)
    assert p50.error == pytest.approx(error_ms)


def test_a_grid_s_own_wait_is_taken_off() -> None:
    polled = found(Faults(), transport="shortpoll", grid_s=0.015)
    waits_ms = np.random.default_rng(1).permutation(np.linspace(0, 15, MESSAGES))
    p50, p99 = findings.delay(replace(polled, latency_ms=polled.latency_ms + waits_ms), FULL)
    assert p50.found == pytest.approx(5, abs=0.02)
    assert p99.found == pytest.approx(5, abs=0.02)


def test_both_values_of_a_two_point_delay_are_distinguished() -> None:
    faults = Faults(late_every=3)
    made = found(faults)
    delays_ms = np.where(made.offset % 3 == 0, faults.late_ms, faults.delay_ms)
    early, late = findings.two_points(replace(made, latency_ms=delays_ms), FULL)
    assert (early.found, late.found) == (5, 20)
    early, late = findings.two_points(made, FULL)
    assert early.within
    assert not late.within


def test_the_tail_of_a_stall_follows_from_the_schedule() -> None:
    faults = Faults(delay_ms=0.0, stall_after=1000, stall_s=10.0)  # 200 of 2000 messages wait, 10 s at most
    made = found(faults)
    expected_ms = findings.stalled_latencies_ms(made)
    assert expected_ms.max() == 10_000
    assert np.count_nonzero(expected_ms) == 200
    check = only(findings.stall(replace(made, latency_ms=expected_ms + 1), FULL))
    assert check.planted == pytest.approx(9000, abs=60)
    assert check.within
    hidden = only(findings.stall(replace(made, latency_ms=np.minimum(expected_ms, 100)), FULL))
    assert not hidden.within


def test_counts_must_be_exact() -> None:
    faults = Faults(lose_every=100, duplicate_every=170, reorder_every=230)
    made = found(faults)
    lost, twice, swapped = findings.losses(made)
    assert (lost.planted, twice.planted, swapped.planted) == (20, 10, 8)  # the 1700th is lost, not doubled
    assert not any(check.within for check in (lost, twice, swapped))
    exact = Counts(MESSAGES, 0, MESSAGES, MESSAGES - 20, 20, 10, 8, 0, 0)
    assert all(check.within for check in findings.losses(replace(made, counts=exact)))
    off_by_one = Counts(MESSAGES, 0, MESSAGES, MESSAGES - 21, 21, 10, 8, 0, 0)
    assert not next(iter(findings.losses(replace(made, counts=off_by_one)))).within


def test_nothing_received_is_never_within_a_bound() -> None:
    nothing = replace(found(Faults()), latency_ms=np.empty(0), offset=np.empty(0, dtype=np.int64))
    p50, p99 = findings.delay(nothing, FULL)
    assert p50.found is None
    assert not p50.within
    assert not p99.within
