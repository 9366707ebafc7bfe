"""What one process carries: measured where a capacity search had such rooms, else by what a room's message costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.records.repeats import SEARCHED
from loadtests.records.schema import Run
from loadtests.report import capacity
from loadtests.report.advise.costing import Costing
from loadtests.report.advise.figure import MEASURED, MODELLED, Figure
from loadtests.report.advise.sizing import Size
from loadtests.report.priced import BUSY_SHARE

_US = 1e6


@dataclass(frozen=True, slots=True)
class Carried:
    """The outcome of one search: deliveries a second that met its objective, and the least that did not."""

    transport: str
    members: float  # of a room
    payload_bytes: int
    met_per_s: float
    missed_per_s: float | None
    run_id: str


def searched(run: Run) -> tuple[Carried, ...]:
    """Return what a capacity search found of each transport; nothing where the run was none."""
    found = []
    for bracket in capacity.brackets(run):
        cells = [c for c in run.cells if c.kind == SEARCHED and c.transport == bracket.transport]
        if cells and bracket.met_per_s is not None and bracket.server_missed:
            cell, missed = cells[0], bracket.missed_per_s
            most = None if missed is None else missed * cell.subscribers
            met, members = bracket.met_per_s * cell.subscribers, cell.subscribers / cell.rooms
            found.append(Carried(cell.transport, members, cell.payload_bytes, met, most, run.run_id))
    return tuple(found)


def per_core(costing: Costing, needed: Size, found: Sequence[Carried]) -> Figure:
    """Return deliveries a second of one process: of a search for such rooms, else at the share that is planned for."""
    each = needed.each
    for one in found:
        if (one.transport, one.members, one.payload_bytes) == (costing.transport, each.members, each.payload_bytes):
            return Figure(one.met_per_s, one.met_per_s, one.missed_per_s, MEASURED, one.run_id)
    assert costing.cpu is not None
    per_room = costing.cpu.coefficients[1] + each.members * costing.each_us(each)
    value = max(0.0, BUSY_SHARE * _US - costing.cpu.coefficients[0]) / per_room * each.members if per_room else 0.0
    busy = needed.busy_us
    low = None if busy.high is None else value * busy.value / busy.high
    high = None if not busy.low else value * busy.value / busy.low
    return Figure(value, low, high, MODELLED, busy.source)
