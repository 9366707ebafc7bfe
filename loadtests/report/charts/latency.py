"""Latency, drawn: its distribution, its growth with the room, its steps; a closed loop, a transport against itself."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from loadtests.records.calibration import Omission, SelfTest
from loadtests.records.schema import Validity
from loadtests.report import model, palette
from loadtests.report.bootstrap import Estimate
from loadtests.report.budget import READ, STEPS, Budget, Slice
from loadtests.report.charts.drawing import (
    Layout,
    legend,
    mark,
    model_line,
    name_bars,
    panels,
    plain_log,
    short_title,
    sign,
)
from loadtests.report.condition import Result
from loadtests.report.quantity import count, digits, span
from loadtests.report.study import Study, fan_out_results

_PERCENT = FuncFormatter(lambda share, _: f"{100 * share:g} %")


def latency_ecdf(study: Study, layout: Layout) -> Figure | None:
    """Draw, per load and link, the share of deliveries within a time; the model as a dotted line."""
    results = [r for r in study.tabled if r.percentiles.n]
    if not results:
        return None
    by_panel: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        by_panel.setdefault((result.condition.load, result.condition.link), []).append(result)
    figure, axes = panels(layout, len(by_panel), head_in=0.75, panel_in=2.7, shared=True)
    for axis, here in zip(axes, by_panel.values(), strict=True):
        for result in here:
            _draw_ecdf(axis, result)
        axis.set(title=_panel_title(here), xlabel="delivery latency, ms (log)")
        axis.tick_params(labelbottom=True)
    for axis in axes[:: min(layout.columns, len(axes))]:
        axis.set_ylabel("share of deliveries")
    first = axes[0]
    least_ms = min(float(r.ecdf.latency_ms[r.ecdf.latency_ms > 0].min(initial=1e3)) for r in results)
    first.set(xscale="log", ylim=(-0.02, 1.04), xlim=(least_ms * 0.9, None))
    plain_log(first, "x")
    first.yaxis.set_major_formatter(_PERCENT)
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
            mark(axis, estimate.value_ms, level, result, words=_figure(estimate, f"p{100 * level:g}"))
    if result.model:
        model_line(axis, result.model.latency_ms, result.model.fraction)


def _panel_title(results: list[Result]) -> str:
    condition = results[0].condition
    counts = sorted({r.percentiles.n for r in results})
    n = f"n = {counts[0]:,}" if len(counts) == 1 else f"n = {counts[0]:,} to {counts[-1]:,}"
    link = "" if condition.link == "loopback" else f", {condition.link}"
    return f"{count(condition.subscribers, 'receiver')}, {condition.rate_per_s:g}/s{link}; {n}"


def latency_by_fan_out(study: Study, layout: Layout) -> Figure | None:
    """Draw median (with its interval) and p99 against the number of receivers, one line per transport."""
    results = fan_out_results(study)
    if len({r.condition.subscribers for r in results}) < 2:
        return None
    figure = Figure(figsize=(layout.width_in, 3.7))
    axis = figure.subplots()
    for transport in dict.fromkeys(r.condition.transport for r in results):
        _draw_fan_out(axis, [r for r in results if r.condition.transport == transport])
    polled = [r for r in results if model.kind(r.condition.transport) == "short poll"]
    if polled:
        one_way_ms = model.link_one_way_ms(results[0].condition.link) or 0.0
        grid_ms = polled[0].poll_interval_ms
        mean = model.short_poll_mean_ms(one_way_ms, grid_ms)
        axis.axhline(mean, color=palette.ink("ink"), lw=1.2, ls=":", zorder=3)
    sizes = sorted({r.condition.subscribers for r in results})
    axis.set(
        xscale="log",
        yscale="log",
        xlabel=f"subscribers of the room (log), {results[0].condition.rate_per_s:g} messages a second",
        ylabel="delivery latency, ms (log)",
    )
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.xaxis.set_minor_formatter(NullFormatter())
    plain_log(axis, "y")
    legend(figure, results, layout, modelled=True)
    sign(figure, study)
    return figure


def _draw_fan_out(axis: Axes, results: list[Result]) -> None:
    look = palette.look(results[0].condition.transport)
    points = [(r.condition.subscribers, r.p50) for r in results if r.p50]
    interval = [[p50.value_ms - p50.low_ms for _, p50 in points], [p50.high_ms - p50.value_ms for _, p50 in points]]
    medians = [size for size, _ in points], [p50.value_ms for _, p50 in points]
    axis.errorbar(*medians, yerr=interval, color=look.light, capsize=2.5, elinewidth=1)
    tails = [(r.condition.subscribers, r.p99.value_ms) for r in results if r.p99]
    axis.plot([size for size, _ in tails], [p99 for _, p99 in tails], color=look.light, ls="--", lw=0.9)
    for result in results:
        for estimate, size, name in ((result.p50, 5.5, "p50"), (result.p99, 3.5, "p99")):
            if estimate:
                mark(axis, result.condition.subscribers, estimate.value_ms, result, size, _figure(estimate, name))


def _figure(estimate: Estimate, name: str) -> str:
    return f"{name} {digits(estimate.value_ms)} ms [{span(estimate.low_ms, estimate.high_ms)}]"


def coordinated_omission(found: Omission, layout: Layout) -> Figure:
    """Draw the share of messages within a time, measured from the schedule and by a closed loop."""
    figure = Figure(figsize=(layout.width_in, 3.0))
    axis = figure.subplots()
    look = palette.look(found.transport)
    for name, shown, line in (
        ("from the schedule", found.from_schedule, "-"),
        ("closed loop: the next waits for the last", found.closed_loop, "--"),
    ):
        axis.step(
            shown.latency_ms,
            shown.fraction,
            where="post",
            color=look.light,
            ls=line,
            label=f"{name}, n = {shown.messages}",
        )
    axis.set(
        xscale="log",
        ylim=(0.7, 1.01),
        xlabel=f"latency, ms (log); a stall of {found.stall_s:g} s in {found.measured_s:.0f} s",
        ylabel="share of messages",
    )
    plain_log(axis, "x")
    axis.yaxis.set_major_formatter(_PERCENT)
    axis.legend(loc="lower right")
    return figure


def against_itself(found: SelfTest, layout: Layout) -> Figure:
    """Draw each repeat's difference of medians with its 95 % interval; hollow where it was called different."""
    shown = (*found.repeats, *found.between)
    figure = Figure(figsize=(layout.width_in, 1.0 + 0.2 * len(shown)))
    axis = figure.subplots()
    axis.axvline(0, color=palette.ink("ink"), lw=0.8)
    for place, each in enumerate(shown):
        colour = palette.look(found.transport if place < len(found.repeats) else "other").light
        axis.plot([each.low_ms, each.high_ms], [place, place], color=colour, lw=1.2, marker="|", ms=5)
        face = colour if each.indistinguishable else palette.ink("paper")
        axis.plot([each.difference_ms], [place], ls="none", marker="o", ms=5, mec=colour, mfc=face)
    axis.set_yticks(range(len(shown)), [each.name for each in shown])
    axis.set(
        ylim=(len(shown) - 0.4, -0.6), xlabel=f"difference of medians with its 95 % interval, ms; run {found.run_id}"
    )
    axis.grid(visible=False, axis="y")
    return figure


# Neighbours differ by at least a third: steps have no hues of their own, since a hue stands for a transport.
_OPACITY = dict(zip(STEPS, (1.0, 0.5, 0.9, 0.35, 0.7, 0.2, 0.0), strict=True))


def latency_budget(study: Study, layout: Layout) -> Figure | None:
    """Draw, per transport that stamped, the steps of a median delivery and of one at p99; None without any."""
    found = study.budgets
    if not found:
        return None
    figure, axes = panels(layout, len(found), head_in=1.1, panel_in=1.45)
    for axis, budget in zip(axes, found, strict=True):
        _draw_budget(axis, budget)
    taken = {name for budget in found for part in budget.slices for name, ms in part.step_ms.items() if ms > 0}
    ink = palette.ink("ink")
    handles = [
        Patch(facecolor=(*to_rgb(ink), opacity), edgecolor=ink, lw=0.6, label=name)
        for name, opacity in _OPACITY.items()
        if name in taken
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=layout.legend_columns, columnspacing=1.2)
    sign(figure, study)
    return figure


def _draw_budget(axis: Axes, budget: Budget) -> None:
    condition = budget.result.condition
    colour = palette.look(condition.transport).light
    for place, part in enumerate(budget.slices):
        _draw_slice(axis, place, part, colour)
    name_bars(axis, [f"p{part.percent:g}" for part in budget.slices])
    longest_ms = max(part.latency_ms + part.step_ms[READ] for part in budget.slices)
    axis.set(ylim=(len(budget.slices) - 0.45, -0.55), xlim=(0, longest_ms * 1.15), xlabel="ms since it was due")
    axis.locator_params(axis="x", nbins=5)
    mark = "" if budget.result.validity is Validity.VALID else f", {budget.result.validity}"
    kind = "" if condition.kind == "budget" else f", {condition.kind}"
    n = f"{count(condition.subscribers, 'receiver')}, {condition.rate_per_s:g}/s; n = {budget.result.percentiles.n:,}"
    axis.set_title(f"{short_title(condition.transport)}{kind}{mark}\n{n}")


def _draw_slice(axis: Axes, place: int, part: Slice, colour: str) -> None:
    left = 0.0
    for name, opacity in _OPACITY.items():
        width = part.step_ms[name]
        axis.barh(place, width, 0.6, left, facecolor=(*to_rgb(colour), opacity), edgecolor=colour, lw=0.6)
        left += width
    axis.annotate(digits(part.latency_ms), (left, place), (4, 0), textcoords="offset points", va="center")
