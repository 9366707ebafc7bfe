"""Share of deliveries within a time, per transport, with what the model alone would give."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from loadtests.records.schema import Validity
from loadtests.report import palette
from loadtests.report.charts.layout import Layout, legend, mark, plain_log, sign
from loadtests.report.condition import Result
from loadtests.report.quantity import count
from loadtests.report.study import Study


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
            _draw_model(axis, result)
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


def _draw_model(axis: Axes, result: Result) -> None:
    if result.model:
        x, y = result.model.latency_ms, result.model.fraction
        axis.plot(x, y, color=palette.ink("ink"), lw=1.2, ls=":", zorder=3)


def _panel_title(results: list[Result]) -> str:
    condition = results[0].condition
    counts = sorted({r.percentiles.n for r in results})
    n = f"n = {counts[0]:,}" if len(counts) == 1 else f"n = {counts[0]:,} to {counts[-1]:,}"
    link = "" if condition.link == "loopback" else f", {condition.link}"
    return f"{count(condition.subscribers, 'receiver')}, {condition.rate_per_s:g}/s{link}; {n}"
