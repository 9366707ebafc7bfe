"""The load client of small rooms finds what a server loses, repeats or sends astray."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loadtests.evidence.bench import __main__ as command
from loadtests.evidence.bench import summary
from loadtests.evidence.bench.groups import GROUPS, batches
from loadtests.evidence.bench.idle import IdleGroup
from loadtests.evidence.bench.matrix import cases
from loadtests.evidence.bench.redis_load import RedisGroup
from loadtests.evidence.bench.redis_script import ScriptGroup
from loadtests.evidence.bench.rooms import Rooms, RoomsGroup
from loadtests.evidence.bench.systems import PLAIN, System, systems
from loadtests.records.errors import LabError

_FAULTY = Path(__file__).with_name("faulty_rooms.py")
_BRIEF = Rooms(4, 3, measured_s=0.2, warm_up_s=0.1)


def _result(system: System, transport: str, load: Rooms) -> dict[str, Any]:
    group = RoomsGroup("rooms", (transport,), (system.name,), (load,), passes=1)
    ((load_name, name, number, result),) = group.run([system], transport, frozenset(), frozenset())
    assert (load_name, name, number) == (load.name, system.name, 0)
    if isinstance(result, LabError):
        raise result
    return result


def _faulty(fault: str) -> System:
    return System(
        f"rooms that {fault}",
        lambda port, _: [sys.executable, str(_FAULTY), str(port), fault],
        member_client=lambda _: ["--path", "/rooms/%L-%R", "--wrap", "%s"],
    )


def _run(fault: str) -> Counter[str]:
    result = _result(_faulty(fault), "websocket", _BRIEF)
    kinds = ("missing", "repeated", "strayed", "unanswered")
    assert summary.lost([{"result": result}]) == sum(result[kind] for kind in kinds)
    return Counter({kind: result[kind] for kind in kinds})


@pytest.mark.usefixtures("compiler")
def test_rooms_without_a_fault_lose_nothing() -> None:
    assert _run("none").total() == 0


@pytest.mark.usefixtures("compiler")
def test_a_lost_event_is_missing_once() -> None:
    assert _run("lose") == {"missing": 1, "repeated": 0, "strayed": 0, "unanswered": 0}


@pytest.mark.usefixtures("compiler")
def test_a_repeated_event_is_counted() -> None:
    assert _run("repeat") == {"missing": 0, "repeated": 1, "strayed": 0, "unanswered": 0}


@pytest.mark.usefixtures("compiler")
def test_an_event_of_another_room_is_counted() -> None:
    assert _run("stray") == {"missing": 0, "repeated": 0, "strayed": 1, "unanswered": 0}


@pytest.mark.usefixtures("compiler")
def test_a_slice_ends_when_all_that_it_published_is_through() -> None:
    result = _result(_faulty("none"), "websocket", Rooms(200, 1, measured_s=0.001, warm_up_s=0.1))
    assert result["messages"] >= 200, "one of each room, at the least"
    assert summary.lost([{"result": result}]) == 0


@pytest.mark.usefixtures("compiler")
def test_a_loss_is_counted_in_one_slice_and_members_stay_connected() -> None:
    group = RoomsGroup("rooms", ("websocket",), ("rooms that lose",), (_BRIEF,), passes=2)
    found = list(group.run([_faulty("lose")], "websocket", frozenset(), frozenset()))
    assert [number for _, _, number, _ in found] == [0, 1]
    results = [result for *_, result in found if not isinstance(result, LabError)]
    assert len(results) == 2
    assert sum(result["missing"] for result in results) == 1


@pytest.mark.usefixtures("compiler")
def test_plain_starlette_by_websocket_is_measured_in_turn_with_what_it_scales() -> None:
    yardstick = Rooms(2, 2, measured_s=0.1, warm_up_s=0.1)
    group = RoomsGroup("post", ("sse",), ("direct", PLAIN), (_BRIEF,), (yardstick,), passes=2)
    pair = [each for each in systems() if each.name in group.systems]
    found = [each[:3] for each in group.run(pair, "sse", frozenset(), frozenset()) if not isinstance(each[3], LabError)]
    forth = [("rooms-2x2-yardstick", PLAIN, 0), ("rooms-4x3", "direct", 0), ("rooms-4x3", PLAIN, 0)]
    assert found == [*forth, *((load, name, 1) for load, name, _ in reversed(forth))]
    assert set(group.load_names) == {load for load, _, _ in found}


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("name", "transport", "members"),
    [("portable", "websocket", 2), ("portable", "sse", 1), ("plain Starlette", "longpoll", 2)],
)
def test_our_rooms_and_the_yardstick_are_spoken_to(name: str, transport: str, members: int) -> None:
    system = next(each for each in systems() if each.name == name)
    load = Rooms(3, members, measured_s=0.2, warm_up_s=0.1)
    result = _result(system, transport, load)
    assert result["messages"] > 0
    assert summary.lost([{"result": result}]) == 0


def test_a_system_without_rooms_of_that_kind_is_named() -> None:
    floor = System("floor", lambda port, _: [sys.executable, str(_FAULTY), str(port), "none"])
    with pytest.raises(LabError, match="floor has no rooms"):
        _result(floor, "websocket", _BRIEF)


def test_an_unknown_group_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "rooms,parlours"])
    with pytest.raises(SystemExit):
        command.main()
    *_, last = capsys.readouterr().err.splitlines()
    assert last.endswith(f"parlours: no such group, there are {', '.join(GROUPS)}")


def test_every_group_is_planned_and_its_results_differ_in_name() -> None:
    for group in GROUPS:
        names = [case.name for case in cases("default", [group])]
        for batch in batches([group]):
            assert isinstance(batch, RoomsGroup | IdleGroup | RedisGroup | ScriptGroup)
            names += [f"{transport}/{load}" for transport in batch.transports for load in batch.load_names]
        assert names
        assert len(names) == len(set(names))
