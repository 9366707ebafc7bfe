"""What the guide says beside what was measured, a row for each transport, here and over a longer line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.records import facts
from loadtests.report import model, palette, places
from loadtests.report.charts.drawing import Layout, mark, name_bars, panels, plain_log, say, short_title, sign
from loadtests.report.claims import title
from loadtests.report.condition import Result
from loadtests.report.quantity import digits, span
from loadtests.report.study import Study
from loadtests.report.verdicts.catches import NO_BROWSER, browserless

Align = Literal["center", "right"]
_PER_ROW_IN, _AROUND_IN = 0.27, 0.62
_VALUE_PT, _ABOVE_PT = 7, 4.5


def answers(study: Study, layout: Layout) -> Figure | None:
    """Draw each median with its interval, hollow the guide's figure; None where no median can be stated."""
    found = [results for results in (places.near(study), places.far(study)) if results]
    if not found:
        return None
    rows = max(map(len, found))
    figure, axes = panels(layout, len(found), head_in=0.15, panel_in=_AROUND_IN + _PER_ROW_IN * rows)
    low_ms, high_ms = _scale(found, study.guide)
    for axis, results in zip(axes, found, strict=True):
        axis.set(xscale="log", xlim=(low_ms, high_ms), ylim=(len(results) - 0.4, -0.75))
        for place, result in enumerate(results):
            _draw_row(axis, place, result, study.guide.get(result.condition.transport), low_ms)
        name_bars(axis, [short_title(r.condition.transport) for r in results])
        axis.set(title=_panel_title(results[0]), xlabel="half of all messages are faster, ms (log)")
        plain_log(axis, "x")
    sign(figure, study)
    return figure


def _scale(found: Sequence[Sequence[Result]], guide: Mapping[str, float]) -> tuple[float, float]:
    """Return the ends of the axis in ms: what was measured and what the guide says; 0 stands at its left end."""
    shown = [estimate for results in found for r in results if (estimate := r.p50)]
    claimed = [guide[r.condition.transport] for results in found for r in results if r.condition.transport in guide]
    least = min(min(float(e.low_ms), float(e.value_ms)) for e in shown)
    greatest = max(*(float(e.value_ms) for e in shown), *claimed, 1.0)
    return max(least, 1e-3) / 4, greatest * 3


def _draw_row(axis: Axes, place: int, result: Result, guide_ms: float | None, low_ms: float) -> None:
    look = palette.look(result.condition.transport)
    if browserless(facts.load(), result.condition.transport):
        _write(axis, axis.get_xlim()[1], place + 0.55, NO_BROWSER, palette.ink("muted"), "right")
    if guide_ms is not None:
        # A log axis has no place for 0: it stands at the left end.
        at_ms = guide_ms or low_ms * 1.35
        (claimed,) = axis.plot([at_ms], [place], ls="none", marker=look.marker, ms=7, mfc="none", mec=look.light)
        say(claimed, f"{title(result.condition.transport)}: the guide says {guide_ms:g} ms")
        _write(axis, at_ms, place, f"{guide_ms:g}", palette.ink("muted"))
    if result.p50:
        p50 = result.p50
        axis.plot([p50.low_ms, min(p50.high_ms, 1e9)], [place, place], color=look.light, lw=1.6, marker="|", ms=5)
        words = f"{digits(p50.value_ms)} ms [{span(p50.low_ms, p50.high_ms)}]"
        mark(axis, p50.value_ms, place, result, 6.5, words)
        _write(axis, float(p50.value_ms), place, digits(p50.value_ms), palette.ink("ink"))


def _write(axis: Axes, at_ms: float, place: float, text: str, colour: str, align: Align = "center") -> None:
    axis.annotate(
        text,
        (at_ms, place),
        (0, _ABOVE_PT),
        textcoords="offset points",
        ha=align,
        va="bottom",
        fontsize=_VALUE_PT,
        color=colour,
    )


def _panel_title(result: Result) -> str:
    one_way_ms = model.link_one_way_ms(result.condition.link)
    load = f"{result.condition.subscribers:,} receivers, {result.condition.rate_per_s:g} messages/s"
    if not one_way_ms:
        return f"Here: {load}" if one_way_ms == 0 else f"{result.condition.link}: {load}"
    return f"{2 * one_way_ms:g} ms round trip: {load}"
