"""What a delivery and a connection cost, as bars; CPU second by second, and which cell ran when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.records.schema import Cell, Validity
from loadtests.report import palette
from loadtests.report.charts.drawing import (
    WIDE,
    Layout,
    is_panelled,
    legend,
    name_bars,
    say,
    short_title,
    sign,
)
from loadtests.report.claims import title
from loadtests.report.condition import Result, bytes_known
from loadtests.report.latency import FloatArray
from loadtests.report.quantity import digits, span
from loadtests.report.study import Study, heaviest


def costs(study: Study, layout: Layout) -> Figure | None:
    """Draw server CPU and bytes per delivery under the heaviest load, and memory per idle connection."""
    results = heaviest(study)
    panels = [(heading, bars) for heading, bars in _cost_panels(study, results) if bars]
    if not panels:
        return None
    columns = len(panels) if layout is WIDE else 1
    lines = -(-len(panels) // columns)
    deepest = max(len(bars) for _, bars in panels)
    figure = Figure(figsize=(layout.width_in, 0.4 + lines * (0.8 + 0.3 * deepest)))
    is_panelled(figure)
    axes = figure.subplots(lines, columns, squeeze=False)
    for axis, (heading, bars) in zip(axes.flat, panels, strict=True):
        for position, bar in enumerate(bars):
            _draw_bar(axis, position, bar)
        name_bars(axis, [short_title(bar.transport) for bar in bars])
        axis.invert_yaxis()
        axis.set(title=heading, xlim=(0, max(bar.high for bar in bars) * 1.25 or 1))
        axis.locator_params(axis="x", nbins=4)
    sign(figure, study)
    return figure


@dataclass(frozen=True, slots=True)
class _Bar:
    transport: str
    value: float
    low: float
    high: float
    validity: Validity


def _cost_panels(study: Study, results: list[Result]) -> Iterator[tuple[str, list[_Bar]]]:
    counted, field = bytes_known([result.costs for result in results])
    for heading, figure in (
        ("server CPU\nµs per delivery", "server_cpu_us"),
        (f"{counted}\nper delivery", field),
    ):
        found = [(r, getattr(r.costs, figure)) for r in results]
        yield heading, [_Bar(r.condition.transport, c.value, c.low, c.high, r.validity) for r, c in found if c]
    memory = [_Bar(t, c.value, c.low, c.high, study.memory_validity[t]) for t, c in study.memory.items()]
    yield "memory\nKiB per connection", memory


def _draw_bar(axis: Axes, position: int, bar: _Bar) -> None:
    colour = palette.look(bar.transport).light
    face = palette.ink("paper") if bar.validity is Validity.INVALID else colour
    (drawn,) = axis.barh(position, bar.value, height=0.62, color=face, edgecolor=colour, lw=1.2)
    say(drawn, f"{title(bar.transport)}: {digits(bar.value)} ({span(bar.low, bar.high)})")
    if bar.high > bar.low:
        axis.plot([bar.low, bar.high], [position, position], color=palette.ink("ink"), lw=1, marker="|", ms=5)
    axis.annotate(
        digits(bar.value), (max(bar.value, bar.high), position), (4, 0), textcoords="offset points", va="center"
    )


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
    upper.set(ylabel="CPU, % of one core", ylim=(0, None))
    upper.legend(loc="upper right", ncols=2, borderaxespad=0, bbox_to_anchor=(1, 1.12))
    lower.set(yticks=[], ylim=(0, 1), xlabel="seconds since the first one recorded")
    lower.grid(visible=False)
    lower.spines["left"].set_visible(False)
    legend(figure, study.results, layout, modelled=False)
    sign(figure, study)
    return figure


def _filled(axis: Axes, cell: Cell, heights: FloatArray, edges: FloatArray) -> None:
    colour = palette.look(cell.transport).light
    face = palette.ink("paper") if cell.verdict.validity is Validity.INVALID else colour
    axis.stairs(heights, edges, fill=True, facecolor=face, edgecolor=colour, lw=0.8)
