"""Where a message's time goes, step by step, as stacked bars."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from loadtests.records.schema import Validity
from loadtests.report import palette
from loadtests.report.budget import READ, STEPS, Budget, Slice
from loadtests.report.charts.drawing import Layout, name_bars, panels, short_title, sign
from loadtests.report.quantity import count, digits
from loadtests.report.study import Study

# Neighbours differ by at least a third: steps have no hues of their own, since a hue stands for a transport.
_OPACITY = dict(zip((step.name for step in STEPS), (1.0, 0.5, 0.9, 0.35, 0.7, 0.2, 0.0), strict=True))


def latency_budget(study: Study, layout: Layout) -> Figure | None:
    """Draw, per transport that stamped, the steps of a median delivery and of one at p99; None without any."""
    found = study.budgets
    if not found:
        return None
    figure, axes = panels(layout, len(found), head_in=1.1, panel_in=1.45)
    for axis, budget in zip(axes, found, strict=True):
        _draw(axis, budget)
    taken = {name for budget in found for part in budget.slices for name, ms in part.step_ms.items() if ms > 0}
    ink = palette.ink("ink")
    handles = [
        Patch(facecolor=(*_rgb(ink), opacity), edgecolor=ink, lw=0.6, label=name)
        for name, opacity in _OPACITY.items()
        if name in taken
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=layout.legend_columns, columnspacing=1.2)
    sign(figure, study)
    return figure


def _draw(axis: Axes, budget: Budget) -> None:
    condition = budget.result.condition
    colour = palette.look(condition.transport).light
    for place, part in enumerate(budget.slices):
        _draw_bar(axis, place, part, colour)
    name_bars(axis, [f"p{part.percent:g}" for part in budget.slices])
    longest_ms = max(part.latency_ms + part.step_ms[READ] for part in budget.slices)
    axis.set(ylim=(len(budget.slices) - 0.45, -0.55), xlim=(0, longest_ms * 1.15), xlabel="ms since it was due")
    axis.locator_params(axis="x", nbins=5)
    mark = "" if budget.result.validity is Validity.VALID else f", {budget.result.validity}"
    kind = "" if condition.kind == "budget" else f", {condition.kind}"
    n = f"{count(condition.subscribers, 'receiver')}, {condition.rate_per_s:g}/s; n = {budget.result.percentiles.n:,}"
    axis.set_title(f"{short_title(condition.transport)}{kind}{mark}\n{n}")


def _draw_bar(axis: Axes, place: int, part: Slice, colour: str) -> None:
    left = 0.0
    for name, opacity in _OPACITY.items():
        width = part.step_ms[name]
        axis.barh(place, width, 0.6, left, facecolor=(*_rgb(colour), opacity), edgecolor=colour, lw=0.6)
        left += width
    axis.annotate(digits(part.latency_ms), (left, place), (4, 0), textcoords="offset points", va="center")


def _rgb(colour: str) -> tuple[float, float, float]:
    """Split `#rrggbb`: matplotlib writes such a colour with its opacity apart, so that it can be themed."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
