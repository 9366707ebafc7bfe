"""Slices are taken forth and back, and who fails is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from loadtests.evidence.bench.slices import Measure, Meter, forth_and_back, meter
from loadtests.records.errors import LabError


def test_a_steady_drift_favours_nobody() -> None:
    clock = iter(range(100))
    meters = [Meter("load", name, lambda: {"cost": next(clock)}) for name in "abc"]
    cost: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    for load, name, number, result in forth_and_back(meters, 4):
        assert load == "load"
        assert not isinstance(result, LabError)
        assert number == len(cost[name])
        cost[name].append(result["cost"])
    assert cost == {"a": [0, 5, 6, 11], "b": [1, 4, 7, 10], "c": [2, 3, 8, 9]}
    assert len(set(map(sum, cost.values()))) == 1


def test_who_fails_is_named_once_and_the_others_go_on() -> None:
    def broken() -> dict[str, int]:
        raise LabError("gone")

    @contextmanager
    def opened(port: int) -> Iterator[Measure]:
        if not port:
            raise LabError("no such port")
        yield dict
        closed.append("opened")

    closed: list[str] = []
    with ExitStack() as held:
        meters = [meter(held, "load", "a", opened(0)), meter(held, "load", "b", opened(1)), Meter("load", "c", broken)]
        found = [(name, number, str(result)) for _, name, number, result in forth_and_back(meters, 2)]
        assert not closed
    assert found == [("a", 0, "no such port"), ("b", 0, "{}"), ("c", 0, "gone"), ("b", 1, "{}")]
    assert closed == ["opened"]
