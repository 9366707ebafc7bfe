"""How many processes and machines a case needs, and what each of them carries. Pure.

A process uses one core, up to the utilisation `BUSY_SHARE`; the rest is headroom for peaks, joins and restarts. Each
process serves whole rooms. If there are more processes than rooms, several processes share a room: its subscribers are
split between them, and each handles all of its publications. The cost of Redis, which connects them, is not included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from msgspec import structs

from loadtests.records.errors import UsageError
from loadtests.records.prices import Machine
from loadtests.report.advise.case import Case
from loadtests.report.advise.costing import Costing, Load, load_of
from loadtests.report.advise.figure import Figure
from loadtests.report.priced import BUSY_SHARE

MEMORY_SHARE = 0.8
"""The share of a machine's memory that server processes may use; the rest is the operating system's."""

PROCESS_MIB = 80.0
"""A server process without connections: `faults.json`, the soak's resident memory at its start."""

_US = 1e6
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Size:
    """What a case needs. `busy_us`: CPU of all processes together, in microseconds a second."""

    processes: int
    machines: int
    least_machines: int  # at the ends of the CPU's interval
    most_machines: int
    busy_us: Figure
    memory_gib: float
    each: Load  # what the fullest process carries


def share_of(case: Case, processes: int) -> Load:
    """Return the load of the fullest of so many processes: whole rooms, or a part of one room's subscribers."""
    if case.rooms >= processes:
        return load_of(case, math.ceil(case.rooms / processes), case.members)
    return load_of(case, 1, case.members / (processes // case.rooms))


def _mean_of(case: Case, processes: int) -> Load:
    """Return the average load of these processes; times their number it is the load of all."""
    rooms = case.rooms / processes
    return load_of(case, max(rooms, 1.0), case.members * min(1.0, rooms))


def size(costing: Costing, case: Case, machine: Machine) -> Size | None:
    """Return what a case needs; None where the CPU or the memory is not known, or no number of processes suffices."""
    memory = costing.held_kib(case)
    processes = _processes(costing, case, 1.0)
    if processes is None or memory is None:
        return None
    gib = case.subscribers * memory.value / 1024**2 + processes * PROCESS_MIB / 1024
    held_gib = _held_gib(machine)
    by_memory = math.ceil(gib / held_gib)
    if by_memory > processes:  # no machine without a process
        connections_gib = gib - processes * PROCESS_MIB / 1024
        by_memory = processes = math.ceil(connections_gib / (held_gib - PROCESS_MIB / 1024))
        gib = connections_gib + processes * PROCESS_MIB / 1024
    each = share_of(case, processes)
    busy, mean = _busy(costing, case, each), _busy(costing, case, _mean_of(case, processes))
    assert busy is not None
    assert mean is not None
    counts = []
    for end in (busy.low, busy.value, busy.high):
        needed = _processes(costing, case, 1.0 if end is None else end / busy.value)
        counts.append(max(by_memory, math.ceil((needed or processes) / machine.vcpus)))
    return Size(processes, counts[1], counts[0], counts[2], mean.times(processes), gib, each)


def _held_gib(machine: Machine) -> float:
    """Return what a machine holds. Raises UsageError where that is not even one process."""
    if machine.memory_gib * MEMORY_SHARE <= PROCESS_MIB / 1024:
        least_gib = PROCESS_MIB / 1024 / MEMORY_SHARE
        raise UsageError(
            f"machine.memory_gib is {machine.memory_gib:g}, and holds no process; allowed: above {least_gib:.3g}"
        )
    return machine.memory_gib * MEMORY_SHARE


def _busy(costing: Costing, case: Case, each: Load) -> Figure | None:
    found = costing.busy_us(each)
    if found is not None and case.tls and costing.tls_cpu is not None:
        found = found.plus(costing.tls_cpu.value * each.deliveries_per_s)
    return found


def room_fits(costing: Costing, case: Case) -> bool:
    """Whether one room fits into at most `MOST` processes, each of which handles all of its publications."""
    alone = structs.replace(case, subscribers=max(1, round(case.members)), rooms=1)
    return _processes(costing, alone, 1.0) is not None


def _processes(costing: Costing, case: Case, factor: float) -> int | None:
    """Return the least number of processes none of which is too busy, at `factor` times the CPU; None above `MOST`."""

    def fits(processes: int) -> bool:
        busy = _busy(costing, case, share_of(case, processes))
        return busy is not None and busy.value * factor <= BUSY_SHARE * _US

    least, most = 0, 1  # `least` does not fit
    while not fits(most):
        if most == MOST:
            return None
        least, most = most, min(2 * most, MOST)
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if fits(middle) else (middle, most)
    return most
