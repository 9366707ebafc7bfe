"""The checker itself: each planted fault is found, and named, and nothing is found where nothing was planted."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from tests.faults.publisher import Books
from tests.faults.verdict import Verdict, judge
from tests.faults.witness import Log, Received


def log(*received: Received, start: str = "aaaaaaaa:0") -> Log:
    return Log("witness", start, list(received))


def chat(offset: int, content: str | None = None, epoch: str = "aaaaaaaa") -> Received:
    return Received(f"{epoch}:{offset}", content or f"m{offset}", "chat")


def gap(offset: int, epoch: str) -> Received:
    return Received(f"{epoch}:{offset}", "epoch_changed", "resync", gap=True)


def books(*offsets: int, epoch: str = "aaaaaaaa") -> Books:
    return Books({f"m{offset}": f"{epoch}:{offset}" for offset in offsets})


PUBLISHED = {f"m{offset}" for offset in range(1, 10)}
WHOLE = [chat(1), chat(2), chat(3)]


def faults(verdict: Verdict) -> dict[str, int]:
    return {name: count for name, count in asdict(verdict).items() if count}


def test_whole_log_is_clean() -> None:
    verdict = judge([log(*WHOLE), log(*WHOLE[1:], start="aaaaaaaa:1")], books(1, 2, 3), PUBLISHED)
    assert verdict.clean
    assert not faults(verdict)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ([chat(1), chat(3)], {"lost": 1, "holes": 1}),
        ([chat(1), chat(2)], {"lost": 1}),
        ([chat(1), chat(2), chat(2), chat(3)], {"duplicated": 1}),
        ([chat(2), chat(1), chat(3)], {"holes": 1, "reordered": 1}),
        ([chat(1), chat(2, "other"), chat(3)], {"phantoms": 1}),
        ([chat(1), chat(2), chat(3), chat(1, epoch="bbbbbbbb")], {"holes": 1}),
        ([chat(1), chat(2), chat(3), gap(0, "bbbbbbbb"), chat(1, epoch="bbbbbbbb")], {"announced_gaps": 1}),
        ([chat(1), gap(3, "aaaaaaaa")], {"announced_gaps": 1}),
    ],
    ids=["hole", "end", "twice", "order", "phantom", "silent epoch", "announced epoch", "announced gap"],
)
def test_planted_fault_is_found(received: list[Received], expected: dict[str, int]) -> None:
    assert faults(judge([log(*received)], books(1, 2, 3), PUBLISHED)) == expected


def test_two_contents_of_one_offset_are_a_conflict() -> None:
    verdict = judge([log(chat(1)), log(chat(1, "m2"))], books(1), PUBLISHED)
    assert faults(verdict) == {"conflicts": 1}


def test_refused_message_that_appears_is_a_phantom() -> None:
    kept = books(1, 2)
    kept.refused.add("m3")
    assert faults(judge([log(*WHOLE)], kept, PUBLISHED)) == {"phantoms": 1}


def test_witness_that_never_came_lost_everything() -> None:
    assert faults(judge([Log("absent")], books(1, 2), PUBLISHED)) == {"lost": 2}


def test_protocol_errors_are_faults() -> None:
    broken = log(*WHOLE)
    broken.errors.append("not an event")
    assert not judge([broken], books(1, 2, 3), PUBLISHED).clean
