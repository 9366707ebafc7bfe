"""A link that differs from what was asked for is reported; how far it may differ."""

from __future__ import annotations

import msgspec
import pytest

from loadtests.records.schema import LinkCheck, Validity, Verdict
from loadtests.run.link_validity import judged

GOOD = LinkCheck("tun", 50.0, 0.0, 0.0, 150, 150, 50.05, 50.2, 51.0)
VALID = Verdict(Validity.VALID)


def test_a_link_as_asked_for_leaves_the_verdict_alone() -> None:
    spoilt = Verdict(Validity.DOUBTFUL, ("something else",))

    assert judged(VALID, GOOD) == VALID
    assert judged(spoilt, GOOD) == spoilt
    assert GOOD.one_way_error_ms == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("change", "validity", "words"),
    [
        ({"rtt_ms_p50": 52.1}, Validity.DOUBTFUL, "52.1 ms instead of 50 ms"),
        ({"rtt_ms_p50": 47.5}, Validity.DOUBTFUL, "47.5 ms instead of 50 ms"),
        ({"rtt_ms_p50": 61.0}, Validity.INVALID, "more than 10 ms off"),
        ({"rtt_ms_p50": None, "answered": 0}, Validity.INVALID, "none of 150 probes"),
        ({"answered": 149}, Validity.DOUBTFUL, "1 of 150 probes"),
        ({"asked_loss_percent": 2.0}, Validity.VALID, ""),
        ({"asked_loss_percent": 2.0, "answered": 120}, Validity.DOUBTFUL, "30 of 150 probes"),
        ({"asked_jitter_ms": 5.0, "rtt_ms_p50": 52.1}, Validity.VALID, ""),
    ],
)
def test_a_link_that_is_off_spoils_the_cell(change: dict[str, float], validity: Validity, words: str) -> None:
    verdict = judged(VALID, msgspec.structs.replace(GOOD, **change))

    assert verdict.validity is validity
    assert words in "; ".join(verdict.reasons)


def test_the_worst_verdict_stands_and_every_reason_is_kept() -> None:
    off = msgspec.structs.replace(GOOD, rtt_ms_p50=52.1)

    verdict = judged(Verdict(Validity.INVALID, ("worse",)), off)

    assert verdict.validity is Validity.INVALID
    assert len(verdict.reasons) == 2
