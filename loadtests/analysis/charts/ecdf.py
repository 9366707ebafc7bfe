"""Share of deliveries within a time, per transport, with what the model alone would give."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from loadtests.analysis import model, palette
from loadtests.analysis.charts.layout import Layout, legend, mark, plain_log, sign
from loadtests.analysis.settings import poll_interval_ms
from loadtests.analysis.study import Result, Study
from loadtests.runs.schema import Validity


def latency_ecdf(study: Study, layout: Layout) -> Figure | None:
    """Draw, per load and link, the share of deliveries within a time; the model as a dotted line."""
    results = [r for r in study.tabled if r.percentiles.n]
    panels = list(dict.fromkeys((r.condition.load, r.condition.link) for r in results))
    if not panels:
        return None
    columns = min(layout.columns, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(layout.width_in, 0.75 + 2.7 * lines))
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    axes = list(grid.flat)
    for axis, panel in zip(axes, panels, strict=False):
        here = [r for r in results if (r.condition.load, r.condition.link) == panel]
        for result in here:
            _draw_ecdf(axis, result)
            _draw_model(axis, result, study)
        axis.set_title(_panel_title(here))
        axis.set_xlabel("delivery latency, ms (log)")
        axis.tick_params(labelbottom=True)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for row in grid:
        row[0].set_ylabel("share of deliveries")
    first = axes[0]
    first.set_xscale("log")
    first.set_ylim(-0.02, 1.04)
    first.set_xlim(left=min(float(r.ecdf.latency_ms[r.ecdf.latency_ms > 0].min(initial=1e3)) for r in results) * 0.9)
    plain_log(first, "x")
    first.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g} %"))
    legend(figure, results, layout, modelled=True)
    sign(figure, study)
    return figure


def _draw_ecdf(axis: Axes, result: Result) -> None:
    look = palette.look(result.condition.transport)
    hollow = result.validity is Validity.INVALID
    axis.step(
        result.ecdf.latency_ms,
        result.ecdf.fraction,
        where="post",
        color=look.light,
        ls="--" if hollow else "-",
        alpha=0.6 if hollow else 1,
    )
    for estimate, level in ((result.p50, 0.5), (result.p99, 0.99)):
        if estimate:
            mark(axis, estimate.value_ms, level, result)


def _draw_model(axis: Axes, result: Result, study: Study) -> None:
    """Dot the distribution that the link and the poll's grid alone would give; on loopback pushes would be at 0 ms."""
    one_way = model.link_one_way_ms(result.condition.link)
    if one_way is None:
        return
    transport = result.condition.transport
    if transport == "shortpoll":
        interval = poll_interval_ms(study.run)
        x = one_way + np.geomspace(interval / 1e4, interval, 60)
        y = model.short_poll_cdf(x, one_way, interval)
    elif one_way and transport == "longpoll":
        x = np.linspace(one_way, model.long_poll_max_ms(one_way), 60)
        y = model.long_poll_cdf(x, one_way, result.condition.rate_per_s)
    elif one_way and transport in model.PUSHING:
        x, y = np.full(2, model.push_ms(one_way)), np.array([0.0, 1.0])
    else:
        return
    axis.plot(x, y, color=palette.ink("ink"), lw=1.2, ls=":", zorder=3)


def _panel_title(results: list[Result]) -> str:
    condition = results[0].condition
    counts = sorted({r.percentiles.n for r in results})
    n = f"n = {counts[0]:,}" if len(counts) == 1 else f"n = {counts[0]:,} to {counts[-1]:,}"
    link = "" if condition.link == "loopback" else f", {condition.link}"
    return f"{condition.subscribers:,} receivers, {condition.rate_per_s:g}/s{link}; {n}"
