"""Cores: the server on the first, the generator on the rest, nothing pinned on one."""

from __future__ import annotations

import os
import sys

import pytest

from loadtests.run.process import Cores, available_cores, divide_cores, running_on


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        ([], Cores()),
        ([3], Cores()),
        ([0, 1], Cores(frozenset({0}), frozenset({1}))),
        ([2, 5, 7], Cores(frozenset({2}), frozenset({5, 7}))),
    ],
)
def test_cores_are_divided(available: list[int], expected: Cores) -> None:
    assert divide_cores(frozenset(available)) == expected


def test_several_server_cores_leave_one_to_the_generator() -> None:
    assert divide_cores(frozenset({0, 1}), server_cores=4) == Cores(frozenset({0}), frozenset({1}))


@pytest.mark.skipif(sys.platform != "linux", reason="cores are pinned on Linux only")
def test_a_block_runs_on_its_cores_and_gives_them_back() -> None:
    before = os.sched_getaffinity(0)
    with running_on(frozenset({min(before)})):
        assert os.sched_getaffinity(0) == {min(before)}
        assert available_cores() == before, "a block must not hide the other cores from those who divide them"
    assert os.sched_getaffinity(0) == before
    with running_on(frozenset()):
        assert os.sched_getaffinity(0) == before
