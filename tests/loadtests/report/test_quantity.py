"""Numbers as people read them."""

from __future__ import annotations

import pytest

from loadtests.report import quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.012345, "0.0123"), (0.9996, "1.00"), (1.0, "1.00"), (99.95, "100"), (12345.6, "12,300"),
        (-0.25, "-0.250"), (None, "\N{EN DASH}"), (float("nan"), "\N{EN DASH}"), (float("inf"), "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_three_significant_digits(value: float | None, text: str) -> None:
    assert quantity.digits(value) == text


@pytest.mark.parametrize(
    ("part", "total", "text"),
    [
        (10, 10, "100 %"), (999_999, 1_000_000, "<100 %"), (1_000_001, 1_000_000, ">100 %"), (1, 1_000_000, "<0.01 %"),
        (1, 2, "50.00 %"), (0, 0, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_a_share_says_100_only_when_nothing_is_missing(part: int, total: int, text: str) -> None:
    assert quantity.share(part, total) == text


def test_an_interval_within_the_rounding_is_one_figure() -> None:
    assert quantity.span(1.001, 1.002, "ms") == "1.00 ms"
    assert quantity.span(1.0, 2.0) == "1.00 to 2.00"


def test_lists_and_counts_read_as_prose() -> None:
    assert quantity.listed(["a", "b", "c"]) == "a, b and c"
    assert quantity.listed(["a"]) == "a"
    assert quantity.count(1, "cell") == "1 cell"
    assert quantity.count(2000, "delivery", "deliveries") == "2,000 deliveries"


def test_control_characters_never_reach_a_terminal() -> None:
    assert quantity.printable("a\x1b[2Jb\u202ec") == "a�[2Jb�c"
