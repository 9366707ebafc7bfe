from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.users.publisher import KINDS, NS_PER_S, instants

_rates = st.floats(0.1, 2000)


@given(st.sampled_from(KINDS), st.integers(0, 2**62), _rates, st.floats(0, 0.999))
def test_instants_ascend_from_the_start_and_repeat_with_the_seed(
    kind: str, start_ns: int, rate_per_s: float, phase: float
) -> None:
    first = list(islice(instants(kind, start_ns, rate_per_s, phase, "seed"), 50))
    assert first == list(islice(instants(kind, start_ns, rate_per_s, phase, "seed"), 50))
    assert first[0] >= start_ns
    assert all(earlier <= later for earlier, later in pairwise(first))


def test_constant_arrivals_do_not_drift() -> None:
    thousandth_ns = next(islice(instants("constant", 0, 3.0, 0.5, ""), 3000, None))
    assert thousandth_ns == round(3000.5 * NS_PER_S / 3)


def test_two_publishers_of_half_the_rate_alternate() -> None:
    left = list(islice(instants("constant", 0, 5.0, 0.0, ""), 4))
    right = list(islice(instants("constant", 0, 5.0, 0.5, ""), 4))
    merged = sorted(left + right)
    assert {later - earlier for earlier, later in pairwise(merged)} == {NS_PER_S // 10}


def test_poisson_arrivals_have_the_rate_and_its_spread() -> None:
    count = 20_000
    gaps_s = [
        (later - earlier) / NS_PER_S
        for earlier, later in pairwise(islice(instants("poisson", 0, 50.0, 0.0, "seed"), count + 1))
    ]
    mean_s = sum(gaps_s) / count
    variance = sum((gap_s - mean_s) ** 2 for gap_s in gaps_s) / count
    assert mean_s == pytest.approx(1 / 50, rel=0.03)
    assert variance**0.5 == pytest.approx(mean_s, rel=0.05), "exponential gaps spread as wide as their mean"


def test_poisson_seeds_differ() -> None:
    assert next(instants("poisson", 0, 1.0, 0.0, "1.0")) != next(instants("poisson", 0, 1.0, 0.0, "1.1"))


def test_a_burst_has_a_seconds_messages_at_once() -> None:
    assert list(islice(instants("burst", 7, 3.0, 0.9, ""), 7)) == [7] * 3 + [7 + NS_PER_S] * 3 + [7 + 2 * NS_PER_S]


def test_no_rate_is_no_message() -> None:
    assert list(instants("constant", 0, 0.0, 0.0, "")) == []


@pytest.mark.parametrize(("kind", "rate_per_s", "complaint"), [("steady", 1.0, "steady"), ("burst", -1.0, "-1.0")])
def test_a_bad_schedule_is_named(kind: str, rate_per_s: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        instants(kind, 0, rate_per_s, 0.0, "")
