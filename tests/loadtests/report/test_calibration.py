"""Calibrations in words: a figure outside of its tolerance is named, and no other is."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from loadtests.records.calibration import (
    CALIBRATION_VERSION,
    Calibration,
    Check,
    Comparison,
    Distribution,
    Omission,
    SelfTest,
    Weakened,
)
from loadtests.report import calibration as words
from tests.loadtests.records.test_store import cell, new_run


def check(found: float | None, transport: str = "sse") -> Check:
    return Check(transport=transport, fault="5 ms delay", figure="p50", unit="ms", planted=5.0, found=found, bound=0.1)


def comparison(low: float, high: float) -> Comparison:
    return Comparison(
        name="repeat 1",
        difference_ms=(low + high) / 2,
        low_ms=low,
        high_ms=high,
        smallest_detectable_ms=0.05,
        indistinguishable=low <= 0 <= high,
    )


def calibration(**parts: object) -> Calibration:
    base = Calibration(
        calibration_version=CALIBRATION_VERSION, form="full", started_utc="", elapsed_s=9.0, commit=None, host={}
    )
    return Calibration(**{name: getattr(base, name) for name in base.__struct_fields__} | parts)


@dataclass(frozen=True)
class Case:
    found: float | None
    said: str
    passed: bool


@pytest.mark.parametrize(
    "case",
    [
        Case(5.05, "5.050 ms      +0.050    0.100 ms  ok", True),
        Case(4.85, "4.850 ms      -0.150    0.100 ms  OFF", False),
        Case(None, "nothing", False),
    ],
)
def test_a_row_says_found_against_planted(case: Case) -> None:
    assert case.said in words.row(check(case.found))
    assert calibration(checks=(check(case.found),)).passed is case.passed
    assert words.passed([check(case.found)]) is case.passed


def test_the_report_s_sentence_names_what_is_outside() -> None:
    assert words.verdict([check(5.0), check(5.0, "websocket")]) == (
        "Yes: all 2 planted truths, over Server-Sent Events and WebSocket, within what is stated."
    )
    assert words.verdict([check(5.0), check(9.0, "websocket")]) == (
        "Not all of it: 1 of 2 outside of what is stated: 5 ms delay (p50) over WebSocket."
    )


def test_transports_that_no_fault_server_speaks_are_named() -> None:
    pushed = msgspec.structs.replace(cell("0-h2push-1x1"), transport="h2push")
    run = msgspec.structs.replace(new_run(), cells=(cell("0-sse-1x1"), pushed, pushed), calibration=(check(5.0),))
    assert words.not_calibrated(run) == ["HTTP/2 push"]


def test_the_summary_says_a_believed_weak_generator_aloud() -> None:
    refused = Weakened(means="a quota of 2 % of a core", validity="invalid", reasons=("late",))
    assert list(words.summary(calibration(weakened=refused))) == [
        "a generator with a quota of 2 % of a core: refused, its cell is invalid (late)"
    ]
    believed = calibration(weakened=Weakened(means="a quota", validity="valid", reasons=()))
    assert "BELIEVED" in next(words.summary(believed))
    assert not believed.passed


def test_more_differences_than_chance_explains_are_said() -> None:
    same, other = comparison(-0.1, 0.1), comparison(0.1, 0.2)
    good = SelfTest(transport="websocket", run_id="r", allowed=1, repeats=(same, other), left_out=1, between=(other,))
    assert list(words.repeated(good))[2:] == [
        "websocket against itself: different in 1 of 2 repeats (1 more could not be compared), at most 1 allowed: "
        "no more than chance",
        "repeat 1: different, +0.150 ms [+0.100 to +0.200], would have shown 0.050 ms",
    ]
    bad = SelfTest(transport="websocket", run_id="r", allowed=0, repeats=(same, other), left_out=0, between=())
    assert "MORE THAN CHANCE" in "\n".join(words.repeated(bad))
    assert not calibration(self_test=bad).passed


def test_what_a_closed_loop_hides_is_said_with_both_figures() -> None:
    slow = Distribution(messages=200, p50_ms=0.5, p99_ms=900.0, max_ms=1000.0, latency_ms=(1.0,), fraction=(1.0,))
    hidden = Distribution(messages=180, p50_ms=0.5, p99_ms=None, max_ms=1000.0, latency_ms=(1.0,), fraction=(1.0,))
    found = Omission(
        transport="websocket", rate_per_s=20, measured_s=10, stall_s=1, from_schedule=slow, closed_loop=hidden
    )
    assert words.omitted(found) == (
        "a 1 s stall in 10 s over websocket: p99 900 ms of 200 messages from the schedule, "
        "not stated of 180 by a closed loop"
    )
