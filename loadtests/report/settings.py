"""The few settings of a cell that the model needs; of older runs, which kept them for the run alone, its own."""

from __future__ import annotations

from loadtests.records.cell_spec import Load
from loadtests.records.schema import Cell, Run

_DEFAULT_POLL_INTERVAL_S = Load(name="", subscribers=0, rate_per_s=0.0).poll_interval_s


def poll_interval_ms(run: Run, cell: Cell) -> float:
    """Return the grid of short polling of a cell in ms.

    Where the cell does not say: the manifest's `settings.poll_interval_s`, else the lab's default.
    """
    if cell.poll_interval_s is not None:
        return 1e3 * cell.poll_interval_s
    value = run.manifest.get("settings", {}).get("poll_interval_s")
    return 1e3 * (float(value) if isinstance(value, int | float) and value > 0 else _DEFAULT_POLL_INTERVAL_S)
