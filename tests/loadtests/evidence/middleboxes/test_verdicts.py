"""What was seen becomes a verdict by fixed rules; the worst problem says it, and each is named for its cure."""

from __future__ import annotations

import pytest

from loadtests.evidence.middleboxes.verdicts import LATE_MS, NOTHING_CAME, judge
from loadtests.records.middleboxes import Seen

FINE = {"joined": True, "apart_ms": 0.4, "origin": "accepted"}


@pytest.mark.parametrize(
    ("changed", "verdict", "words", "problems"),
    [
        ({}, "passes", "passes", set()),
        ({"apart_ms": LATE_MS}, "passes", "passes", set()),
        ({"apart_ms": 215.0}, "late", "late by 215 ms", {"late"}),
        ({"cut_s": 4.0}, "cut", "cut at 4.00 s", {"cut"}),
        ({"missing": 12, "apart_ms": None}, "held", "held: 12 events did not come", {"held"}),
        ({"joined": False, "refusal": NOTHING_CAME, "origin": ""}, "held", "held: nothing came", {"held"}),
        ({"joined": False, "refusal": "refused (426)", "origin": ""}, "refused", "refused: refused (426)", {"refused"}),
        ({"origin": "(403)"}, "refused", "refused to pages: (403)", {"origin"}),
        ({"origin": "(403)", "cut_s": 4.0}, "cut", "cut at 4.00 s; refused to pages: (403)", {"cut", "origin"}),
        ({"silent_asked": True, "silent_cut_s": 4.0}, "passes", "passes", set()),  # that is what heartbeats are for
    ],
)
def test_the_worst_problem_is_the_verdict(
    changed: dict[str, object], verdict: str, words: str, problems: set[str]
) -> None:
    judgement = judge(Seen(**FINE | changed))  # type: ignore[arg-type]
    assert (judgement.verdict, judgement.words, set(judgement.problems)) == (verdict, words, problems)
