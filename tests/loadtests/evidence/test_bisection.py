"""The search ends in a bracket around the truth, whatever the truth is, within its steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtests.evidence.bisection import Search


def searched(truth: float, *, max_steps: int = 60, spoilt_tries: frozenset[int] = frozenset()) -> Search:
    """Search where rates up to `truth` are carried; the tries in `spoilt_tries` fail whatever their rate."""
    search = Search(lowest=10, highest=5000, within=1.1, max_steps=max_steps)
    tries = 0
    while (rate := search.next_rate()) is not None:
        search.note(rate, met=rate <= truth and tries not in spoilt_tries)
        tries += 1
    assert tries == search.steps <= max_steps
    return search


@given(st.floats(min_value=10, max_value=4999))
def test_the_bracket_holds_the_truth_and_is_narrow(truth: float) -> None:
    search = searched(truth)
    assert search.met is not None
    assert search.missed is not None
    assert search.met <= truth < search.missed
    assert search.missed / search.met <= 1.1


@given(st.floats(min_value=10, max_value=4999), st.integers(min_value=0, max_value=20))
def test_a_single_failure_moves_no_bracket(truth: float, spoilt: int) -> None:
    search = searched(truth, spoilt_tries=frozenset({spoilt}))
    assert search.met is not None
    assert search.missed is not None
    assert search.met <= truth < search.missed


def test_what_is_below_or_above_all_rates_is_an_open_bracket() -> None:
    low, high = searched(9), searched(5000)
    assert (low.met, low.missed, low.steps) == (None, 10, 2)
    assert (high.met, high.missed) == (5000, None)


@given(st.floats(min_value=10, max_value=4999), st.integers(min_value=1, max_value=12))
def test_it_never_takes_more_steps_than_allowed(truth: float, max_steps: int) -> None:
    assert searched(truth, max_steps=max_steps).steps <= max_steps
