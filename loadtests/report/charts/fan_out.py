"""Latency against the number of receivers: what one publication to a larger room costs its last reader."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from loadtests.report import model, palette
from loadtests.report.charts.layout import Layout, legend, mark, plain_log, sign
from loadtests.report.condition import Result
from loadtests.report.study import Study


def latency_by_fan_out(study: Study, layout: Layout) -> Figure | None:
    """Draw median (with its interval) and p99 against the number of receivers, one line per transport."""
    results = fan_out_results(study)
    if len({r.condition.subscribers for r in results}) < 2:
        return None
    figure = Figure(figsize=(layout.width_in, 3.7))
    axis = figure.subplots()
    for transport in dict.fromkeys(r.condition.transport for r in results):
        _draw_fan_out(axis, [r for r in results if r.condition.transport == transport])
    if any(r.condition.transport == "shortpoll" for r in results):
        one_way_ms = model.link_one_way_ms(results[0].condition.link) or 0.0
        grid_ms = next(r.poll_interval_ms for r in results if r.condition.transport == "shortpoll")
        mean = model.short_poll_mean_ms(one_way_ms, grid_ms)
        axis.axhline(mean, color=palette.ink("ink"), lw=1.2, ls=":", zorder=3)
    axis.set_xscale("log")
    axis.set_yscale("log")
    sizes = sorted({r.condition.subscribers for r in results})
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.xaxis.set_minor_formatter(NullFormatter())
    plain_log(axis, "y")
    axis.set_xlabel(f"subscribers of the room (log), {results[0].condition.rate_per_s:g} messages a second")
    axis.set_ylabel("delivery latency, ms (log)")
    legend(figure, results, layout, modelled=True)
    sign(figure, study)
    return figure


def fan_out_results(study: Study) -> list[Result]:
    """Results over one link, at the most common rate, whose median can be stated: one per transport and size.

    Short polls are those of the most common grid: another grid is another latency, whatever the size.
    """
    usable = [r for r in study.of_kind("latency", "fan-out") if r.p50]
    if not usable:
        return []
    rates = [r.condition.rate_per_s for r in usable]
    rate, link = max(rates, key=rates.count), usable[0].condition.link
    usable = [r for r in usable if r.condition.rate_per_s == rate and r.condition.link == link]
    grids = [r.poll_interval_ms for r in usable if r.condition.transport == "shortpoll"]
    chosen: dict[tuple[str, int], Result] = {}
    for result in usable:
        if result.condition.transport != "shortpoll" or result.poll_interval_ms == max(grids, key=grids.count):
            chosen.setdefault((result.condition.transport, result.condition.subscribers), result)
    return sorted(chosen.values(), key=lambda r: (palette.rank(r.condition.transport), r.condition.subscribers))


def _draw_fan_out(axis: Axes, results: list[Result]) -> None:
    look = palette.look(results[0].condition.transport)
    points = [(r.condition.subscribers, r.p50) for r in results if r.p50]
    x = [size for size, _ in points]
    y = [p50.value_ms for _, p50 in points]
    below = [p50.value_ms - p50.low_ms for _, p50 in points]
    above = [p50.high_ms - p50.value_ms for _, p50 in points]
    axis.errorbar(x, y, yerr=[below, above], color=look.light, capsize=2.5, elinewidth=1)
    tails = [(r.condition.subscribers, r.p99.value_ms) for r in results if r.p99]
    axis.plot([size for size, _ in tails], [p99 for _, p99 in tails], color=look.light, ls="--", lw=0.9)
    for result in results:
        for estimate, size in ((result.p50, 5.5), (result.p99, 3.5)):
            if estimate:
                mark(axis, result.condition.subscribers, estimate.value_ms, result, size)
