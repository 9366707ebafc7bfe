"""What a delivery and a connection cost, as bars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.records.schema import Validity
from loadtests.report import palette
from loadtests.report.charts.layout import WIDE, Layout, short_title, sign
from loadtests.report.condition import Result
from loadtests.report.quantity import digits
from loadtests.report.study import Study


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
    axes = figure.subplots(lines, columns, squeeze=False)
    for axis, (heading, bars) in zip(axes.flat, panels, strict=True):
        for position, bar in enumerate(bars):
            _draw_bar(axis, position, bar)
        axis.set_title(heading)
        axis.set_yticks(range(len(bars)), [short_title(bar.transport) for bar in bars])
        axis.tick_params(axis="y", length=0, labelcolor=palette.ink("ink"))
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set_xlim(0, max(bar.high for bar in bars) * 1.25 or 1)
        axis.locator_params(axis="x", nbins=4)
    sign(figure, study)
    return figure


def heaviest(study: Study) -> list[Result]:
    """The results of the load with the most deliveries a second among those of the table."""
    results = study.of_kind("latency") or study.results
    if not results:
        return []
    top = max(results, key=lambda r: r.condition.subscribers * r.condition.rate_per_s).condition
    return [r for r in results if (r.condition.load, r.condition.link) == (top.load, top.link)]


@dataclass(frozen=True, slots=True)
class _Bar:
    transport: str
    value: float
    low: float
    high: float
    validity: Validity


def _cost_panels(study: Study, results: list[Result]) -> Iterator[tuple[str, list[_Bar]]]:
    for heading, figure in (
        ("server CPU\nµs per delivery", "server_cpu_us"),
        ("wire\nbytes per delivery", "bytes_down"),
    ):
        found = [(r, getattr(r.costs, figure)) for r in results]
        yield heading, [_Bar(r.condition.transport, c.value, c.low, c.high, r.validity) for r, c in found if c]
    memory = [_Bar(t, c.value, c.low, c.high, study.memory_validity[t]) for t, c in study.memory.items()]
    yield "memory\nKiB per connection", memory


def _draw_bar(axis: Axes, position: int, bar: _Bar) -> None:
    colour = palette.look(bar.transport).light
    hollow = bar.validity is Validity.INVALID
    axis.barh(
        position, bar.value, height=0.62, color=palette.ink("paper") if hollow else colour, edgecolor=colour, lw=1.2
    )
    if bar.high > bar.low:
        axis.plot([bar.low, bar.high], [position, position], color=palette.ink("ink"), lw=1, marker="|", ms=5)
    axis.annotate(
        digits(bar.value), (max(bar.value, bar.high), position), (4, 0), textcoords="offset points", va="center"
    )
