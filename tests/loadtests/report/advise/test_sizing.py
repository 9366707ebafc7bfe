"""Processes and machines follow from the busiest core and from memory; subscribers scale by servers."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from loadtests.records.prices import Machine
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.case import Case
from loadtests.report.advise.sizing import share_of, size
from loadtests.report.priced import BUSY_SHARE

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
    assert small.machines == -(-small.memory_gib // (8 * 0.8))
    assert small.processes >= small.machines, "no machine is without a process"


def replace_memory(gib: float) -> Machine:
    return msgspec.structs.replace(MACHINE, memory_gib=gib)


def test_one_room_is_on_several_processes_that_each_have_all_its_messages(found: Basis) -> None:
    one = msgspec.structs.replace(CASE, rooms=1)
    each = share_of(one, 4)
    assert (each.rooms, each.members) == (1, 5000)
    needed = size(found.costings["websocket"], one, MACHINE)
    assert needed is not None
    assert needed.processes > 1


def test_what_no_number_of_processes_carries_is_none(found: Basis) -> None:
    flood = msgspec.structs.replace(CASE, rate_per_s=9000.0, rooms=1)
    assert size(found.costings["websocket"], flood, MACHINE) is None


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
