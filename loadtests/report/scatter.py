"""How sure a condition's cost is, from how far its cells lie apart. Pure.

Two or three cells of one condition say little about their own scatter. That of all conditions of a run is alike as a
share of the cost, so it is pooled: s is the root mean square of the logarithms' deviations from their condition's mean,
over nu = cells - conditions degrees of freedom. The 95 % interval of a condition with k cells is its cost times
exp(+-t(nu) s / sqrt(k)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loadtests.records.schema import Cell
from loadtests.report.bootstrap import CONFIDENCE, student_t


@dataclass(frozen=True, slots=True)
class Scatter:
    """Of a run: the share by which cells of one condition differ, and its degrees of freedom."""

    share: float
    dof: int

    def interval(self, value: float, cells: int) -> tuple[float, float] | None:
        """Return the 95 % interval of a cost that `cells` gave; None where no condition has two cells."""
        if not self.dof or not cells or value <= 0:
            return None
        factor = math.exp(student_t((1 + CONFIDENCE) / 2, self.dof) * self.share / math.sqrt(cells))
        return value / factor, value * factor


def of(groups: Iterable[Sequence[Cell]], figure: Callable[[Cell], float | None]) -> Scatter:
    """Pool the scatter of a figure over conditions, each given as its cells that are used."""
    squares, dof = 0.0, 0
    for cells in groups:
        logs = [math.log(value) for cell in cells if (value := figure(cell))]
        if len(logs) > 1:
            mean = sum(logs) / len(logs)
            squares += sum((each - mean) ** 2 for each in logs)
            dof += len(logs) - 1
    return Scatter(math.sqrt(squares / dof) if dof else 0.0, dof)


def server_cpu(cell: Cell) -> float | None:
    """Return a cell's CPU of the server per delivery."""
    return cell.costs.server_cpu_us_per_delivery if cell.costs else None
