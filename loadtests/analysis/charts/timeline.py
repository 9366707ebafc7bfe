"""CPU second by second, and which cell ran when."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.analysis import palette
from loadtests.analysis.charts.layout import Layout, legend, sign
from loadtests.analysis.latency import FloatArray
from loadtests.analysis.study import Study
from loadtests.runs.schema import Cell, Validity


def timeline(study: Study, layout: Layout) -> Figure | None:
    """Draw CPU of server (bars), generator and everything else (lines) over the run; below, the cells."""
    frame = study.timeline
    if frame.empty:
        return None
    figure = Figure(figsize=(layout.width_in, 3.6))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[8, 1])
    cells = {cell.id: cell for cell in study.run.cells}
    for name, part in frame.groupby("cell", observed=True):
        cell = cells[str(name)]
        seconds = part["t_s"].to_numpy()
        _bars(upper, cell, seconds, part["server_cpu_percent"].to_numpy(), 0.9)
        _bars(
            lower,
            cell,
            np.array([(seconds.min() + seconds.max()) / 2]),
            np.ones(1),
            seconds.max() - seconds.min() + 0.9,
        )
    for column, label, dash in (("generator_cpu_percent", "generator", "-"), ("foreign_cpu_percent", "others", ":")):
        for index, (_, part) in enumerate(frame.groupby("order")):
            shown = label if not index else None
            upper.plot(
                part["t_s"], part[column], color=palette.ink("ink"), ls=dash, lw=1, marker=".", ms=2.5, label=shown
            )
    upper.set_ylabel("CPU, % of one core")
    upper.set_ylim(bottom=0)
    upper.legend(loc="upper right", ncols=2, borderaxespad=0, bbox_to_anchor=(1, 1.12))
    lower.set_yticks([])
    lower.set_ylim(0, 1)
    lower.grid(visible=False)
    lower.spines["left"].set_visible(False)
    lower.set_xlabel("seconds since the first one recorded")
    legend(figure, study.results, layout, modelled=False)
    sign(figure, study)
    return figure


def _bars(axis: Axes, cell: Cell, centres: FloatArray, heights: FloatArray, width: float) -> None:
    colour = palette.look(cell.transport).light
    hollow = cell.verdict.validity is Validity.INVALID
    face = palette.ink("paper") if hollow else colour
    axis.bar(centres, heights, width=width, color=face, edgecolor=colour, lw=0.8)
