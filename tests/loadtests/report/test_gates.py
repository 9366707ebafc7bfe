"""The study of the gates in words: what it says follows from its values, and the page shows the reference's."""

from __future__ import annotations

import msgspec
import pytest

from loadtests.records.errors import RunError
from loadtests.records.gates import GATES, Shift
from loadtests.report import gates
from tests.loadtests.records.test_gates import MOVED, STILL, WIDE, move

UNDECIDED = "late reader, pushes: undecided, for want of undisturbed windows or of narrow intervals"


@pytest.mark.parametrize(
    ("p99", "words", "decided"),
    [
        (
            STILL,
            "late reader, pushes: moves nothing beyond the stated error, up to 5.1 ms; noted above 1 ms, and no doubt",
            True,
        ),
        (MOVED, "late reader, pushes: moves a figure by the stated error at 1.2 ms; doubtful above 1 ms", True),
        (
            WIDE,
            f"{UNDECIDED}; doubtful above 1 ms, as before",
            False,
        ),
    ],
)
def test_a_sentence_follows_from_what_moved(p99: Shift, words: str, decided: bool) -> None:
    moves = [move(5, p99)]
    assert words in list(gates.findings(moves))
    every = [msgspec.structs.replace(each, disturbance=name) for each in moves for name in GATES]
    assert gates.decided(every) is decided
    assert not gates.decided(moves), "three disturbances were not studied"


def test_a_disturbed_base_is_said() -> None:
    moves = [move(5, STILL)]
    assert gates.base(moves).startswith(
        "The machine was quiet enough: 10 % of 50 pairs of windows were left out, "
        "since other programs took the processor."
    )
    alone = [msgspec.structs.replace(moves[0], left_out=0)]
    assert gates.base(alone).startswith("The machine was quiet enough: 0 % of 50 pairs of windows were left out. ")
    disturbed = [msgspec.structs.replace(moves[0], left_out=30)]
    assert gates.base(disturbed).startswith("The machine was disturbed: 60 % of 50 pairs")


def test_a_disturbance_of_which_nothing_could_be_used_is_named() -> None:
    every = [msgspec.structs.replace(move(5, STILL), disturbance=name) for name in GATES]
    assert "No pair" not in gates.base(every)
    assert gates.base([each for each in every if each.disturbance != "hog"]).endswith(
        "No pair with a hog could be used: it has no row here, and its gate is not decided."
    )


def test_the_page_shows_the_study_of_the_reference() -> None:
    text = gates.DOCUMENT.read_text(encoding="utf-8")
    assert gates.replaced(text, gates.shown()) == text, "run: python -m loadtests.report.gates"


def test_a_page_without_the_place_is_said() -> None:
    with pytest.raises(RunError, match="has no place"):
        gates.replaced("# nothing", "")
