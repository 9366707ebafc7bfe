"""Every rule of validity on both sides of its limit."""

from __future__ import annotations

import msgspec
import pytest

from loadtests.records.disruption import Cuts, Disruption
from loadtests.records.schema import Counts, Instrument, LinkCheck, Validity, Verdict
from loadtests.run import validity

VALID, DOUBTFUL, INVALID = Validity.VALID, Validity.DOUBTFUL, Validity.INVALID

COUNTS = Counts(
    published=10,
    refused=0,
    expected=40,
    received=40,
    lost=0,
    duplicates=0,
    out_of_order=0,
    told_gaps=0,
    reconnects=0,
)
HEALTHY = Instrument(
    clock="kernel",
    rx_gap_ms_p99=0.1,
    batched_fraction=0.0,
    publish_lateness_ms_p99=0.1,
    hub_lag_ms_p99=0.1,
    cpu_percent=10.0,
    foreign_cpu_percent=1.0,
)


def judge(counts: Counts | None = COUNTS, instrument: Instrument | None = HEALTHY, **other: object) -> Verdict:
    arguments: dict[str, object] = {"pushes": True, "connected": 4, "subscribers": 4, **other}
    return validity.judge(counts, instrument, **arguments)  # type: ignore[arg-type]


def test_a_healthy_cell_is_valid_without_reasons() -> None:
    assert judge() == Verdict(VALID, ())


@pytest.mark.parametrize(
    ("figure", "value", "expected"),
    [
        ("rx_gap_ms_p99", 5.0, VALID),
        ("rx_gap_ms_p99", 5.01, INVALID),
        ("batched_fraction", 0.01, VALID),
        ("batched_fraction", 0.0101, INVALID),
        ("publish_lateness_ms_p99", 0.5, VALID),
        ("publish_lateness_ms_p99", 0.51, DOUBTFUL),
        ("publish_lateness_ms_p99", 1.0, DOUBTFUL),
        ("publish_lateness_ms_p99", 1.01, INVALID),
        ("hub_lag_ms_p99", 0.5, VALID),
        ("hub_lag_ms_p99", 0.51, DOUBTFUL),
        ("cpu_percent", 60.0, VALID),
        ("cpu_percent", 61.0, DOUBTFUL),
        ("foreign_cpu_percent", 25.0, VALID),
        ("foreign_cpu_percent", 26.0, DOUBTFUL),
        ("clock", "user", DOUBTFUL),
        ("rx_gap_ms_p99", None, VALID),
        ("rx_gap_ms_min", -0.01, VALID),
        ("rx_gap_ms_min", -0.011, INVALID),
        ("transit_ms_min", -0.01, VALID),
        ("transit_ms_min", -40.0, INVALID),
        ("clock_steps", 1, INVALID),
        ("strangers", 39, DOUBTFUL),
        ("strangers", 40, INVALID),
    ],
)
def test_each_threshold_on_both_sides(figure: str, value: float | str, expected: Validity) -> None:
    verdict = judge(instrument=msgspec.structs.replace(HEALTHY, **{figure: value}))
    assert verdict.validity is expected
    assert len(verdict.reasons) == (0 if expected is VALID else 1)


@pytest.mark.parametrize(("value", "expected"), [(0.5, VALID), (0.51, DOUBTFUL), (5.0, DOUBTFUL), (5.01, INVALID)])
def test_a_poll_that_is_read_late_is_a_doubt(value: float, expected: Validity) -> None:
    verdict = judge(instrument=msgspec.structs.replace(HEALTHY, rx_gap_ms_p99=value), pushes=False)
    assert verdict.validity is expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"lost": 1, "received": 39}, INVALID),
        ({"lost": 1, "received": 39, "told_gaps": 1}, DOUBTFUL),
        ({"lost": 1, "received": 39, "reconnects": 1}, DOUBTFUL),
        ({"told_gaps": 1}, DOUBTFUL),
        ({"reconnects": 1}, DOUBTFUL),
        ({"duplicates": 1}, INVALID),
        ({"out_of_order": 1}, INVALID),
        ({"refused": 1}, DOUBTFUL),
        ({"refused": 5}, DOUBTFUL),
        ({"published": 99, "unanswered": 1, "lost": 4, "lost_unanswered": 4}, DOUBTFUL),
        ({"published": 98, "unanswered": 2, "lost": 8, "lost_unanswered": 8}, INVALID),
        ({"published": 98, "unanswered": 2}, INVALID),
        ({"received": 0, "expected": 0, "published": 0}, INVALID),
    ],
)
def test_each_count_on_its_bad_side(changed: dict[str, int], expected: Validity) -> None:
    verdict = judge(counts=msgspec.structs.replace(COUNTS, **changed))
    assert verdict.validity is expected
    assert len(verdict.reasons) == 1


def test_polls_may_answer_with_batches() -> None:
    batched = msgspec.structs.replace(HEALTHY, batched_fraction=1.0)
    assert judge(instrument=batched, pushes=False).validity is VALID
    assert judge(instrument=batched, pushes=True).validity is INVALID


def test_a_subscriber_that_never_connected_makes_the_cell_invalid() -> None:
    assert judge(connected=3) == Verdict(INVALID, ("only 3 of 4 subscribers connected",))


def test_an_idle_cell_is_judged_by_its_connections_alone() -> None:
    busy = msgspec.structs.replace(HEALTHY, foreign_cpu_percent=100.0)
    assert judge(None, busy, idle=True).validity is VALID
    assert judge(None, busy, idle=True, connected=0).validity is INVALID


def test_the_worst_rule_decides_and_every_reason_is_reported() -> None:
    verdict = judge(msgspec.structs.replace(COUNTS, duplicates=2), msgspec.structs.replace(HEALTHY, cpu_percent=90.0))
    assert verdict.validity is INVALID
    assert verdict.reasons == (
        "2 deliveries came twice",
        "generator CPU is 90 % of a core, more than 60 % of a core",
    )


LINK = LinkCheck("tun", 50.0, 0.0, 0.0, 150, 150, 50.05, 50.2, 51.0)


def test_a_link_as_asked_for_leaves_the_verdict_alone() -> None:
    assert judge(link=LINK) == Verdict(VALID, ())
    assert judge(link=LINK, remarks=("something else",)) == Verdict(DOUBTFUL, ("something else",))
    assert LINK.one_way_error_ms == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("change", "validity", "words"),
    [
        ({"rtt_ms_p50": 52.1}, DOUBTFUL, "52.1 ms instead of 50 ms"),
        ({"rtt_ms_p50": 47.5}, DOUBTFUL, "47.5 ms instead of 50 ms"),
        ({"rtt_ms_p50": 61.0}, INVALID, "more than 10 ms off"),
        ({"rtt_ms_p50": None, "answered": 0}, INVALID, "none of 150 probes"),
        ({"answered": 149}, DOUBTFUL, "1 of 150 probes"),
        ({"asked_loss_percent": 2.0}, VALID, ""),
        ({"asked_loss_percent": 2.0, "answered": 120}, DOUBTFUL, "30 of 150 probes"),
        ({"asked_jitter_ms": 5.0, "rtt_ms_p50": 52.1}, VALID, ""),
    ],
)
def test_a_link_that_is_off_spoils_the_cell(change: dict[str, float], validity: Validity, words: str) -> None:
    verdict = judge(link=msgspec.structs.replace(LINK, **change))

    assert verdict.validity is validity
    assert words in "; ".join(verdict.reasons)


def test_the_worst_verdict_stands_and_every_reason_is_kept() -> None:
    off = msgspec.structs.replace(LINK, rtt_ms_p50=52.1)

    verdict = judge(connected=3, link=off)

    assert verdict.validity is INVALID
    assert len(verdict.reasons) == 2


def cuts(away: int) -> Cuts:
    return Cuts(
        disrupt=Disruption(up_s=3.0, offline_s=0.4),
        resume=False,
        cuts=5,
        away=away,
        due=40,
        lost=4,
        replayed=0,
        replay_bytes=0,
    )


def test_what_planned_cuts_cost_is_no_reason_against_a_cell_and_anything_else_is() -> None:
    planned = msgspec.structs.replace(COUNTS, received=36, lost=4, lost_to_cuts=4)
    assert judge(planned, cuts=cuts(away=0)) == Verdict(VALID, ())
    more = msgspec.structs.replace(planned, received=35, lost=5)
    assert judge(more, cuts=cuts(away=0)) == Verdict(INVALID, ("1 of 40 deliveries are missing",))
    unplanned = msgspec.structs.replace(planned, reconnects=1)
    assert judge(unplanned, cuts=cuts(away=0)).validity is DOUBTFUL


def test_a_subscriber_that_does_not_come_back_makes_the_cell_invalid() -> None:
    assert judge(COUNTS, cuts=cuts(away=2)).reasons == ("after 2 of 5 cuts the subscriber did not come back",)
    assert judge(COUNTS, cuts=cuts(away=2)).validity is INVALID
