"""The bounds of validity are those that follow from the reference's study of the gates, and no others."""

from __future__ import annotations

import math

import msgspec
import pytest

from loadtests.records.gates import GATES, bound
from loadtests.records.schema import Validity
from loadtests.report import gates
from loadtests.run.validity import THRESHOLDS, Threshold
from tests.loadtests.run.test_validity import HEALTHY, judge


def threshold(figure: str, *, pushes: bool) -> Threshold:
    (found,) = (each for each in THRESHOLDS if each.figure == figure and each.pushes in (None, pushes))
    return found


@pytest.mark.parametrize("pushes", [True, False])
@pytest.mark.parametrize("disturbance", GATES)
def test_a_bound_is_what_the_study_says(disturbance: str, pushes: bool) -> None:
    study = gates.reference()
    assert study is not None
    ours, theirs = threshold(GATES[disturbance], pushes=pushes), bound(study.gates, disturbance, pushes=pushes)
    assert (ours.doubtful_above, ours.noted_above) == (theirs.doubtful_above, theirs.noted_above)


def test_a_late_read_is_noted_on_a_push_and_a_doubt_on_a_poll() -> None:
    late = msgspec.structs.replace(HEALTHY, rx_gap_ms_p99=1.3)
    push, poll = judge(instrument=late, pushes=True), judge(instrument=late, pushes=False)
    assert (push.validity, push.reasons) == (Validity.VALID, ())
    assert push.noted == (
        "p99 from kernel receive to read is 1.3 ms, more than 1 ms, which moves no latency of a push",
    )
    assert (poll.validity, len(poll.reasons), poll.noted) == (Validity.DOUBTFUL, 1, ())


def test_a_read_that_is_later_than_the_study_planted_is_no_note() -> None:
    verdict = judge(instrument=msgspec.structs.replace(HEALTHY, rx_gap_ms_p99=5.1), pushes=True)
    assert (verdict.validity, verdict.noted) == (Validity.INVALID, ())
    assert math.isinf(threshold("rx_gap_ms_p99", pushes=True).doubtful_above)
