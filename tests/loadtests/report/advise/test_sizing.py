"""Processes and machines follow from the busiest core and from memory; subscribers scale by servers."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from loadtests.records.errors import UsageError
from loadtests.records.prices import Machine
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.case import Case
from loadtests.report.advise.costing import Load
from loadtests.report.advise.sizing import MOST, room_fits, share_of, size
from loadtests.report.priced import BUSY_SHARE
from tests.loadtests.report.advise.planted import TRUTHS

MACHINE = Machine(vcpus=2, memory_gib=8, per_month=20)
CASE = Case(rate_per_s=5.0, payload_bytes=300, subscribers=20_000, rooms=400)


def test_as_many_processes_as_keep_each_within_its_share(found: Basis) -> None:
    costing = found.costings["websocket"]
    needed = size(costing, CASE, MACHINE)
    assert needed is not None
    busy, fewer = (costing.busy_us(share_of(CASE, count)) for count in (needed.processes, needed.processes - 1))
    assert busy is not None
    assert fewer is not None
    assert busy.value <= BUSY_SHARE * 1e6 < fewer.value
    assert needed.machines == -(-needed.processes // 2)


def test_twice_the_rooms_and_subscribers_take_twice_the_servers(found: Basis) -> None:
    costing = found.costings["websocket"]
    once, twice = (
        size(costing, msgspec.structs.replace(CASE, subscribers=20_000 * n, rooms=400 * n), MACHINE) for n in (4, 8)
    )
    assert once is not None
    assert twice is not None
    assert abs(twice.processes - 2 * once.processes) <= 1


def test_where_memory_is_short_it_decides(found: Basis) -> None:
    costing = found.costings["websocket"]
    idle = msgspec.structs.replace(CASE, rate_per_s=0.001, subscribers=2_000_000, rooms=2000)
    large, small = (size(costing, idle, replace_memory(gib)) for gib in (512, 8))
    assert large is not None
    assert small is not None
    assert large.machines < small.machines
    assert small.memory_gib == pytest.approx(2_000_000 * 20 / 1024**2 + small.processes * 80 / 1024)
    assert small.machines == -(-small.memory_gib // (8 * 0.8))
    assert small.processes >= small.machines, "no machine is without a process"


def test_each_machine_that_memory_adds_holds_a_process_too(found: Basis) -> None:
    idle = msgspec.structs.replace(CASE, rate_per_s=0.001, subscribers=1_000_000, rooms=2000)
    needed = size(found.costings["websocket"], idle, replace_memory(0.25))
    assert needed is not None
    assert needed.memory_gib <= needed.machines * 0.25 * 0.8
    assert needed.processes == needed.machines
    with pytest.raises(UsageError, match=r"machine\.memory_gib is 0\.09, and holds no process; allowed: above 0\.0977"):
        size(found.costings["websocket"], idle, replace_memory(0.09))


def replace_memory(gib: float) -> Machine:
    return msgspec.structs.replace(MACHINE, memory_gib=gib)


def test_one_room_is_on_several_processes_that_each_have_all_its_messages(found: Basis) -> None:
    one = msgspec.structs.replace(CASE, rooms=1)
    each = share_of(one, 4)
    assert (each.rooms, each.members) == (1, 5000)
    needed = size(found.costings["websocket"], one, MACHINE)
    assert needed is not None
    assert needed.processes > 1


@pytest.mark.parametrize(("rooms", "processes"), [(3, 2), (7, 3), (400, 11), (3, 3), (3, 4), (2, 5), (1, 4)])
def test_rooms_are_whole_and_no_process_has_more_than_the_fullest(rooms: int, processes: int) -> None:
    case = msgspec.structs.replace(CASE, subscribers=100 * rooms, rooms=rooms)
    each = share_of(case, processes)
    held = [rooms // processes + (index < rooms % processes) for index in range(processes)]
    on = [processes // rooms + (index < processes % rooms) for index in range(rooms)]
    assert each.rooms == max(held)
    assert each.members == 100 / max(1, min(on))


def test_the_fullest_process_is_not_too_busy_and_all_together_cost_their_sum(found: Basis) -> None:
    case = msgspec.structs.replace(CASE, rate_per_s=65.0, subscribers=2550, rooms=3)
    costing, truth = found.costings["websocket"], TRUTHS["websocket"]
    needed = size(costing, case, MACHINE)
    assert needed is not None
    assert needed.processes == 3, "two processes of one and a half rooms would do"
    fullest = costing.busy_us(Load(65.0, 300, 850, 2))
    assert fullest is not None
    assert fullest.value > BUSY_SHARE * 1e6
    total = 3 * (truth.own_us + 65 * truth.publication_us + 65 * 850 * truth.delivery_us)
    assert needed.busy_us.value == pytest.approx(total, rel=0.02)


def test_what_no_number_of_processes_carries_is_none(found: Basis) -> None:
    flood = msgspec.structs.replace(CASE, rate_per_s=9000.0, rooms=1)
    assert size(found.costings["websocket"], flood, MACHINE) is None
    assert not room_fits(found.costings["websocket"], flood)
    many = msgspec.structs.replace(CASE, subscribers=100_000_000, rooms=1_000_000, rate_per_s=900.0)
    assert size(found.costings["websocket"], many, MACHINE) is None
    assert room_fits(found.costings["websocket"], many)
    sized = size(found.costings["websocket"], msgspec.structs.replace(many, rate_per_s=60.0), MACHINE)
    assert sized is not None
    assert 65_536 < sized.processes <= MOST


def test_without_memory_or_cpu_there_is_no_size(found: Basis) -> None:
    costing = found.costings["websocket"]
    assert size(replace(costing, memory=None), CASE, MACHINE) is None
    assert size(replace(costing, cpu=None), CASE, MACHINE) is None


def test_tls_that_was_measured_takes_more_processes(found: Basis) -> None:
    costing = found.costings["websocket"]
    assert costing.memory is not None
    over = msgspec.structs.replace(CASE, tls=True, subscribers=200_000, rooms=4000)
    without = size(costing, over, MACHINE)
    added = replace(costing, tls_cpu=costing.memory_kib(tls=False))  # 20 us a delivery
    with_tls = size(added, over, MACHINE)
    assert without is not None
    assert with_tls is not None
    assert with_tls.processes > without.processes
