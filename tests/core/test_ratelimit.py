"""Token buckets: never more than the burst and the refill, never a hint that is too early."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ratelimit import RateLimiter

rates = st.floats(0.1, 1000.0)
bursts = st.integers(1, 50)
gaps = st.lists(st.floats(0.0, 5.0), max_size=60)


def test_burst_passes_then_the_rate_decides() -> None:
    limiter = RateLimiter(rate_per_s=2.0, burst=3)
    assert [limiter.take("a", 10.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limiter.take("a", 10.0) == pytest.approx(0.5)
    assert limiter.take("a", 10.25) == pytest.approx(0.25)
    assert limiter.take("a", 10.5) == 0.0


def test_users_do_not_share_a_bucket() -> None:
    limiter = RateLimiter(rate_per_s=1.0, burst=1)
    assert limiter.take("a", 0.0) == 0.0
    assert limiter.take("b", 0.0) == 0.0
    assert limiter.take("a", 0.0) > 0.0


def test_rate_of_zero_limits_nothing_and_keeps_nothing() -> None:
    limiter = RateLimiter(rate_per_s=0.0, burst=1)
    assert all(limiter.take("a", 0.0) == 0.0 for _ in range(100))
    limiter.forget_full(0.0)
    assert len(limiter) == 0


@given(rate=rates, burst=bursts, waits=gaps)
def test_no_window_lets_more_through_than_burst_and_refill(rate: float, burst: int, waits: list[float]) -> None:
    limiter, now_s = RateLimiter(rate, burst), 100.0
    passed_s: list[float] = []
    for wait_s in waits:
        now_s += wait_s
        if limiter.take("a", now_s) == 0.0:
            passed_s.append(now_s)
    for first, begin_s in enumerate(passed_s):
        for last in range(first, len(passed_s)):
            allowed = burst + (passed_s[last] - begin_s) * rate
            assert last - first + 1 <= allowed + 1e-6


@given(rate=rates, burst=bursts, waits=gaps)
def test_who_waits_as_asked_gets_through(rate: float, burst: int, waits: list[float]) -> None:
    limiter, now_s = RateLimiter(rate, burst), 100.0
    for wait_s in waits:
        now_s += wait_s
        if reported_s := limiter.take("a", now_s):
            assert reported_s <= 1.0 / rate + 1e-9
            now_s += reported_s + 1e-6  # the rounding of a float clock
            assert limiter.take("a", now_s) == 0.0


@given(rate=rates, burst=bursts, waits=gaps)
def test_forgetting_full_buckets_changes_no_answer(rate: float, burst: int, waits: list[float]) -> None:
    keeping, forgetting, now_s = RateLimiter(rate, burst), RateLimiter(rate, burst), 0.0
    for wait_s in waits:
        now_s += wait_s
        forgetting.forget_full(now_s)
        assert keeping.take("a", now_s) == pytest.approx(forgetting.take("a", now_s))


def test_full_bucket_is_forgotten_and_a_drawn_one_kept() -> None:
    limiter = RateLimiter(rate_per_s=1.0, burst=2)
    limiter.take("old", 0.0)
    limiter.take("new", 0.9)
    limiter.forget_full(1.0)
    assert len(limiter) == 1
    limiter.forget_full(2.0)
    assert len(limiter) == 0
