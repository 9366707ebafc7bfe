"""CPU second by second, and which cell ran when."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.records.schema import Cell, Validity
from loadtests.report import palette
from loadtests.report.charts.layout import Layout, legend, sign
from loadtests.report.latency import FloatArray
from loadtests.report.study import Study

_HALF_S = 0.46
"""Half a second, less a hair so that neighbouring cells stay apart."""


def timeline(study: Study, layout: Layout) -> Figure | None:
    """Draw CPU of server (bars), generator and everything else (lines) over the run; below, the cells."""
    frame = study.timeline
    if frame.empty:
        return None
    figure = Figure(figsize=(layout.width_in, 3.6))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[8, 1])
    cells = {cell.id: cell for cell in study.run.cells}
    for index, (name, part) in enumerate(frame.groupby("cell", observed=True)):
        cell = cells[str(name)]
        seconds = part["t_s"].to_numpy()
        edges = np.append(seconds - _HALF_S, seconds[-1] + _HALF_S)
        _filled(upper, cell, part["server_cpu_percent"].to_numpy(), edges)
        _filled(lower, cell, np.ones(1), edges[[0, -1]])
        for column, label, dash in (
            ("generator_cpu_percent", "generator", "-"),
            ("foreign_cpu_percent", "others", ":"),
        ):
            shown = None if index else label
            upper.plot(seconds, part[column], color=palette.ink("ink"), ls=dash, lw=1, label=shown)
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


def _filled(axis: Axes, cell: Cell, heights: FloatArray, edges: FloatArray) -> None:
    colour = palette.look(cell.transport).light
    hollow = cell.verdict.validity is Validity.INVALID
    face = palette.ink("paper") if hollow else colour
    axis.stairs(heights, edges, fill=True, facecolor=face, edgecolor=colour, lw=0.8)
