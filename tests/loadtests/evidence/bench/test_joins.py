"""Joins and rooms over real sockets, a few of each."""

from __future__ import annotations

import pytest

from loadtests.evidence.bench.runs import Joins, Load, join_once, run_once
from loadtests.evidence.bench.started import Result, Running, running
from loadtests.evidence.bench.systems import System, systems
from loadtests.records.errors import LabError


def named(name: str) -> System:
    return next(system for system in systems() if system.name == name)


def result_of(name: str, transport: str, load: Load | Joins) -> Result:
    with running(named(name), frozenset()) as server:
        if isinstance(load, Joins):
            return join_once(named(name), server, transport, load, frozenset())
        return run_once(named(name), server, transport, load, frozenset())


@pytest.mark.parametrize(
    ("load", "name", "users"),
    [
        (Joins(2000), "joins-2000", 2000),
        (Joins(1000, 2000), "joins-1000-into-2000", 1001),
        (Joins(50, tabs=True), "joins-50-tabs", 1),
    ],
)
def test_joins_have_a_name_and_as_many_users_as_tokens(load: Joins, name: str, users: int) -> None:
    assert (load.name, load.users) == (name, users)


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("transport", ["sse", "longpoll"])
def test_everybody_is_notified_of_every_join(transport: str) -> None:
    result = result_of("direct", transport, Joins(20, before=5))
    assert (result["n"], result["before"], result["missing"], result["closed"]) == (20, 5, 0, 0)
    assert result["seen_joined"] in (20, 21)
    assert result["connects_per_s"] > 0


@pytest.mark.usefixtures("compiler")
def test_tabs_of_one_user_join_once() -> None:
    result = result_of("direct", "websocket", Joins(10, tabs=True))
    assert result["seen_joined"] <= 1, "its own, if that comes before the client has counted"


@pytest.mark.usefixtures("compiler")
def test_nothing_is_lost_or_comes_to_another_room() -> None:
    load = Load(20, window=2, rooms=4, measured_s=0.3, warm_up_s=0.1)
    result = result_of("direct", "websocket", load)
    assert (result["rooms"], result["missing"]) == (4, 0)
    assert result["sent"] >= 4


@pytest.mark.usefixtures("compiler")
def test_rooms_that_do_not_divide_the_subscribers_are_refused() -> None:
    with pytest.raises(LabError, match="--rooms 3: must divide -n 20"):
        result_of("direct", "sse", Load(20, window=1, rooms=3))


def test_a_system_with_one_room_is_not_asked_for_several() -> None:
    with pytest.raises(LabError, match="floor has one room"):
        run_once(named("floor"), Running(1, ()), "sse", Load(20, window=1, rooms=4), frozenset())
