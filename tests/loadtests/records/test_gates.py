"""What the study of the gates may decide: it moves something, it moves nothing, or nobody can tell."""

from __future__ import annotations

import math

import pytest

from loadtests.records.gates import Bound, Finding, Move, Ruling, Shift, bound, rule

STILL, MOVED, WIDE = Shift(0.0, -0.1, 0.1, 0.5), Shift(2.0, 1.8, 2.2, 0.5), Shift(0.4, -0.2, 1.0, 0.5)


def move(level_ms: float, p99: Shift, *, transport: str = "websocket", pushes: bool = True) -> Move:
    return Move(
        disturbance="late reader", level_ms=level_ms, transport=transport, pushes=pushes, planted=level_ms + 0.1,
        control=0.1, shared_percent=0.0, deliveries=1000, pairs=50, left_out=5, p50=STILL, p99=p99,
    )  # fmt: skip


def test_what_stays_within_the_stated_error_moves_nothing() -> None:
    found = rule([move(1, STILL), move(5, STILL)], "late reader", pushes=True)
    assert found == Ruling(Finding.STILL, 5.1)


def test_more_of_a_disturbance_does_not_move_less() -> None:
    assert rule([move(1, WIDE), move(5, STILL)], "late reader", pushes=True) == Ruling(Finding.STILL, 5.1)


def test_one_interval_that_is_too_wide_leaves_it_undecided() -> None:
    assert rule([move(1, STILL), move(5, WIDE)], "late reader", pushes=True).finding is Finding.UNDECIDED
    nothing = Shift(math.nan, math.nan, math.nan, 0.5)
    assert rule([move(5, nothing)], "late reader", pushes=True).finding is Finding.UNDECIDED


def test_what_moves_reaches_the_stated_error_in_proportion() -> None:
    found = rule([move(1, WIDE), move(5, Shift(4.0, 3.9, 4.1, 0.5))], "late reader", pushes=True)
    assert found.finding is Finding.MOVES
    assert found.figure == pytest.approx(0.625)  # 5 ms move it by 4 ms, and 0.5 ms are stated


def test_a_level_that_moves_more_than_the_greatest_did_so_by_chance() -> None:
    assert rule([move(1, MOVED), move(5, STILL)], "late reader", pushes=True).finding is Finding.UNDECIDED


def test_one_transport_speaks_for_its_kind_and_not_for_the_other() -> None:
    moves = [move(5, STILL), move(5, STILL, transport="sse"), move(5, MOVED, transport="longpoll", pushes=False)]
    assert rule(moves, "late reader", pushes=True).finding is Finding.STILL
    assert rule(moves, "late reader", pushes=False).finding is Finding.MOVES


def test_what_was_not_studied_is_undecided() -> None:
    assert rule([move(5, STILL)], "hub lag", pushes=True).finding is Finding.UNDECIDED


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([move(5, STILL)], Bound(noted_above=1.0)),
        ([move(5, WIDE)], Bound(1.0)),
        ([move(2, MOVED)], Bound(0.5)),
        ([move(5, Shift(1.8, 1.7, 1.9, 0.5))], Bound(1.0)),  # reached at 1.4 ms: never looser than before
        ([move(5, Shift(4.6, 4.5, 4.7, 0.5))], Bound(0.5)),  # at 0.54 ms: rounded down
    ],
)
def test_a_bound_follows_and_is_loosened_only_where_nothing_moves(moves: list[Move], expected: Bound) -> None:
    assert bound(moves, "late reader", pushes=True) == expected
