"""The rule on the guide's figures, on both sides of every edge."""

from __future__ import annotations

import pytest

from loadtests.report import claims
from loadtests.report.bootstrap import Estimate
from loadtests.report.claims import GUIDE_LATENCY_MS, Agreement


@pytest.mark.parametrize(
    ("claimed", "low", "high", "ruling"),
    [
        (0, 0.2, 49.9, Agreement.HOLDS),
        (0, 0.2, 50.0, Agreement.UNDECIDED),
        (0, 50.0, 60.0, Agreement.FAILS),
        (100, 50.0, 149.9, Agreement.HOLDS),
        (100, 49.9, 149.9, Agreement.UNDECIDED),
        (100, 0.2, 49.9, Agreement.FAILS),
        (100, 150.0, 151.0, Agreement.FAILS),
        (500, 490.0, 510.0, Agreement.HOLDS),
        (500, 1.0, 2.0, Agreement.FAILS),
        (500, 540.0, 560.0, Agreement.UNDECIDED),
    ],
)
def test_the_rule(claimed: float, low: float, high: float, ruling: Agreement) -> None:
    assert claims.rule(claimed, low, high) is ruling


def test_the_same_claim_holds_or_fails_with_the_data() -> None:
    assert claims.judge("sse", Estimate(0.3, 0.2, 0.4, 3), GUIDE_LATENCY_MS).agreement is Agreement.FAILS
    assert claims.judge("sse", Estimate(101.0, 99.0, 103.0, 3), GUIDE_LATENCY_MS).agreement is Agreement.HOLDS
    assert claims.judge("websocket", Estimate(0.3, 0.2, 0.4, 3), GUIDE_LATENCY_MS).agreement is Agreement.HOLDS
    assert claims.judge("websocket", Estimate(180.0, 170.0, 190.0, 3), GUIDE_LATENCY_MS).agreement is Agreement.FAILS


def test_a_failed_claim_says_where_it_would_be_true() -> None:
    assert "round trip of 100 ms" in claims.judge("sse", Estimate(0.3, 0.2, 0.4, 3), GUIDE_LATENCY_MS).words
    assert "333 ms" in claims.judge("longpoll", Estimate(1.0, 0.9, 1.1, 3), GUIDE_LATENCY_MS).words


@pytest.mark.parametrize(
    ("median_ms", "said"), [(2.0, "faster than the guide says: 2.00 ms, not 100"), (300.0, "slower")]
)
def test_what_does_not_hold_says_which_way(median_ms: float, said: str) -> None:
    found = claims.judge("sse", Estimate(median_ms, median_ms, median_ms, 3), GUIDE_LATENCY_MS)
    assert found.words.startswith(said)
    assert found.short == said.split()[0]


@pytest.mark.parametrize(
    ("median_ms", "short", "words"),
    [
        (10.0, "as it says", "as the guide says: 10.0 ms"),
        (10.1, "rounds to it", "rounds to the guide's figure: 10.1 ms"),
    ],
)
def test_what_only_rounds_to_the_guides_figure_is_not_said_to_be_it(median_ms: float, short: str, words: str) -> None:
    found = claims.judge("h2push", Estimate(median_ms, 0.1, 49.0, 3), GUIDE_LATENCY_MS)
    assert found.agreement is Agreement.HOLDS
    assert found.short == short
    assert found.words == f"{words} is 0 ms to the nearest 100"


def test_short_polling_is_said_to_fit_the_long_polling_claim_only_if_it_does() -> None:
    assert "long polling" in claims.judge("shortpoll", Estimate(500.0, 480.0, 520.0, 3), GUIDE_LATENCY_MS).words
    assert claims.judge("shortpoll", Estimate(250.0, 240.0, 260.0, 3), GUIDE_LATENCY_MS).words == "not in the guide"


def test_what_was_not_measured_is_not_judged() -> None:
    assert claims.judge("sse", None, GUIDE_LATENCY_MS).agreement is Agreement.NO_MEASUREMENT
