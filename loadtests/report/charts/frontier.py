"""The cheapest transport within a latency budget, over round trip and message rate, a panel for each budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from loadtests.report import frontier, model, palette
from loadtests.report.charts.drawing import Layout, legend, model_line, panels, sign
from loadtests.report.frontier import Point
from loadtests.report.latency import FloatArray
from loadtests.report.quantity import digits
from loadtests.report.study import Study

_MODELLED = ("websocket", "longpoll", "shortpoll")  # one for all that push
_MARKS_ABOVE, _MARKS_APART = 0.22, 0.1  # of a tile's height over its middle; of its width from each other
_LOOPBACK_BELOW = 4.0  # on a log axis no delay has no place: it is drawn this factor below the shortest link


def cheapest_in_time(study: Study, layout: Layout) -> Figure | None:
    """Draw the map: colour and mark of the cheapest, its CPU per delivery, and dotted where models leave the budget."""
    found = frontier.candidates(study)
    rtts = sorted({candidate.rtt_ms for candidate in found})
    rates = sorted({candidate.rate_per_s for candidate in found})
    if len(rtts) < 2 or len(rates) < 2:
        return None
    figure, axes = panels(layout, len(frontier.BUDGETS_MS), head_in=0.9, panel_in=2.6)
    y = np.array([rtt for rtt in rtts if rtt])
    if not rtts[0]:
        y = np.concatenate([[y[0] / _LOOPBACK_BELOW], y])
    grids_ms = sorted({r.poll_interval_ms for r in study.of_kind(frontier.KIND)})
    for axis, budget_ms in zip(axes, frontier.BUDGETS_MS, strict=True):
        x_edges, y_edges = _scaled(axis, rates, rtts, y)
        for point in frontier.points(found, budget_ms):
            column, row = rates.index(point.rate_per_s), rtts.index(point.rtt_ms)
            _tile(axis, point, x_edges[column : column + 2], y_edges[row : row + 2])
        _limits(axis, budget_ms, grids_ms, x_edges)
        axis.set_title(f"p90 within {budget_ms:g} ms")
    legend(figure, study.of_kind(frontier.KIND), layout, modelled=True)
    sign(figure, study)
    return figure


def _scaled(axis: Axes, rates: list[float], rtts: list[float], y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Put the sweep's values on log axes (`y`: where each of `rtts` stands); return the borders of the tiles."""
    x = np.array(rates)
    x_edges, y_edges = _edges(x), _edges(y)
    axis.set(
        xscale="log",
        yscale="log",
        xlim=(x_edges[0], x_edges[-1]),
        ylim=(y_edges[0], y_edges[-1]),
        xlabel="messages a second (log)",
        ylabel="round trip, ms (log)",
    )
    axis.set_xticks(x, [f"{rate:g}" for rate in rates])
    axis.set_yticks(y, [f"{rtt:g}" if rtt else "none" for rtt in rtts])
    for ruler in (axis.xaxis, axis.yaxis):
        ruler.set_minor_locator(NullLocator())
    axis.grid(visible=False)
    return x_edges, y_edges


def _edges(places: FloatArray) -> FloatArray:
    """Borders halfway between neighbours on a log axis, and as far again outside."""
    logs = np.log(places)
    inner = (logs[1:] + logs[:-1]) / 2
    return np.asarray(np.exp([2 * logs[0] - inner[0], *inner, 2 * logs[-1] - inner[-1]]))


def _tile(axis: Axes, point: Point, x: FloatArray, y: FloatArray) -> None:
    best = point.best
    look = palette.look(best.transport) if best else None
    axis.add_patch(
        Rectangle(
            (float(x[0]), float(y[0])),
            float(x[1] - x[0]),
            float(y[1] - y[0]),
            facecolor=look.light if look else palette.ink("band"),
            edgecolor=palette.ink("paper"),
            lw=1.5,
        )
    )
    middle = float(np.sqrt(x[0] * x[1])), float(np.sqrt(y[0] * y[1]))
    if best is None:
        axis.text(*middle, "nobody", ha="center", va="center", fontsize=6.5, color=palette.ink("muted"), zorder=4)
        return
    ink = palette.ink("paper")
    axis.text(*middle, f"{digits(best.cpu_us, 2)} µs", ha="center", va="top", fontsize=7, color=ink, zorder=4)
    for place, transport in enumerate((best.transport, *point.as_cheap)):
        axis.plot(
            [middle[0] * (x[1] / x[0]) ** (_MARKS_APART * place)],
            [middle[1] * (y[1] / y[0]) ** _MARKS_ABOVE],
            marker=palette.look(transport).marker,
            ms=3 if place else 5,
            color=ink,
        )


def _limits(axis: Axes, budget_ms: float, grids_ms: Sequence[float], x: FloatArray) -> None:
    """Draw up to which round trip each model stays within the budget, short polls for each grid of the sweep."""
    rates = np.geomspace(x[0], x[-1], 60)
    modelled = [(transport, grids_ms[0]) for transport in _MODELLED]
    for transport, interval_ms in (*modelled, *(("shortpoll", grid_ms) for grid_ms in grids_ms[1:])):
        limit = [model.longest_rtt_ms(transport, budget_ms, rate, interval_ms, frontier.PERCENT) for rate in rates]
        inside = np.where(np.array(limit) > 0, limit, np.nan)
        axis.plot(rates, inside, color=palette.look(transport).light, lw=3.2, zorder=2.8)
        model_line(axis, rates, inside)
