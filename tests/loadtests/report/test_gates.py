"""The study of the gates in words: what it says follows from its values, and the page shows the reference's."""

from __future__ import annotations

import msgspec
import pytest

from loadtests.records.gates import Shift
from loadtests.report import gates
from tests.loadtests.records.test_gates import MOVED, STILL, WIDE, move


@pytest.mark.parametrize(
    ("p99", "words", "decided"),
    [
        (STILL, "late reader, pushes: moves nothing beyond the stated error, up to 5.1 ms", True),
        (MOVED, "late reader, pushes: moves a figure by the stated error at 1.2 ms", True),
        (
            WIDE,
            "late reader, pushes: undecided, the intervals are wider than the stated error: no bound follows",
            False,
        ),
    ],
)
def test_a_sentence_follows_from_what_moved(p99: Shift, words: str, decided: bool) -> None:
    moves = [move(5, p99)]
    assert list(gates.findings(moves)) == [words]
    assert gates.decided(moves) is decided


def test_a_disturbed_base_is_said() -> None:
    moves = [move(5, STILL)]
    assert gates.base(moves) == (
        "The machine was left alone: 10 % of 50 pairs of windows were left out, "
        "since other programs took the processor."
    )
    disturbed = [msgspec.structs.replace(moves[0], left_out=30)]
    assert gates.base(disturbed).startswith("The machine was disturbed: 60 % of 50 pairs")


def test_the_page_shows_the_study_of_the_reference() -> None:
    text = gates.DOCUMENT.read_text(encoding="utf-8")
    assert gates.replaced(text, gates.shown()) == text, "run: python -m loadtests.report.gates"


def test_a_page_without_the_place_is_said() -> None:
    with pytest.raises(ValueError, match="has no place for the study"):
        gates.replaced("# nothing", "")
