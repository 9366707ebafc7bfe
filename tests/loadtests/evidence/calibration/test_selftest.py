"""The A/A self-test draws what a comparison draws, and judges as a report does."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.evidence.calibration import selftest
from loadtests.evidence.calibration.selftest import BETWEEN_RUN_BLOCKS, RUN_BLOCKS, Repeats
from loadtests.records.errors import LabError
from loadtests.run import targets
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth

ARMS = (("01a", 20, 40.0), ("01b", 20, 40.0), ("02a", 20, 40.0), ("02b", 20, 40.0), ("20x40", 20, 40.0))
SAME = {"websocket": Truth(run_block_spread=0.0), "sse": Truth(base_ms=0.4, run_block_spread=0.0)}


def test_each_repeat_s_arms_are_interleaved_and_stand_together() -> None:
    made = Repeats(
        scenario=selftest._scenario([selftest._LOAD], 1),
        targets=targets.select(["websocket"]),
        seed=3,
        runs_folder=Path(),
        repeats=4,
    )
    cells = made.cells()
    per_repeat = 2 * RUN_BLOCKS
    assert len(cells) == 4 * per_repeat + 2 * BETWEEN_RUN_BLOCKS
    assert [cell.order for cell in cells] == list(range(len(cells)))
    assert len({cell.id for cell in cells}) == len(cells)
    for repeat in range(4):
        mine = cells[repeat * per_repeat : (repeat + 1) * per_repeat]
        assert {cell.load.name for cell in mine} == {f"{repeat + 1:02d}a", f"{repeat + 1:02d}b"}
        assert [cell.block for cell in mine] == [0, 0, 1, 1]
    assert {cell.target.name for cell in cells[4 * per_repeat :]} == {"websocket", "sse"}


@pytest.mark.parametrize(("repeats", "most"), [(1, 0), (4, 0), (10, 1), (19, 2), (20, 2), (40, 4)])
def test_a_tenth_may_differ_by_chance(repeats: int, most: int) -> None:
    assert selftest.allowed(repeats) == most


def test_equal_arms_are_compared_and_two_transports_apart_are_distinguished(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(truths=SAME, loads=ARMS, fan_out=(), blocks=2))
    found = selftest.judge(tmp_path, 2)
    assert [repeat.name for repeat in found.repeats] == ["repeat 1", "repeat 2"]
    assert found.left_out == 0
    (between,) = found.between
    assert between.difference_ms == pytest.approx(0.2, abs=0.1)
    assert not between.indistinguishable


def test_a_repeat_with_an_invalid_side_is_left_out_and_counted(tmp_path: Path) -> None:
    spoilt = {f"{block}-websocket-02b": "spoilt" for block in range(2)}
    make_run(tmp_path, Plan(truths=SAME, loads=ARMS, fan_out=(), blocks=2, invalid=spoilt))
    found = selftest.judge(tmp_path, 2)
    assert [repeat.name for repeat in found.repeats] == ["repeat 1"]
    assert found.left_out == 1


def test_nothing_to_compare_is_an_error(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(truths=SAME, loads=ARMS[-1:], fan_out=(), blocks=2))
    with pytest.raises(LabError, match="none of the 2 repeats can be compared"):
        selftest.judge(tmp_path, 2)


def test_over_many_synthetic_repeats_the_same_is_seldom_called_different(tmp_path: Path) -> None:
    """Drawn with a drift per run block and per time block, as machines have it: at 95 % few may differ."""
    repeats = 20
    arms = tuple((f"{repeat + 1:02d}{arm}", 5, 20.0) for repeat in range(repeats) for arm in "ab")
    truths = {"websocket": Truth(us_per_subscriber=0.0)}
    make_run(tmp_path, Plan(truths=truths, loads=arms, fan_out=(), blocks=2, seed=5))
    found = selftest.judge(tmp_path, repeats)
    assert len(found.repeats) == repeats
    assert found.different <= found.allowed
    assert found.between == ()
