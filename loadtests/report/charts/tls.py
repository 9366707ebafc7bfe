"""Pairs of bars: a figure without TLS and the same over TLS, per transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from loadtests.report import palette
from loadtests.report.charts.drawing import WIDE, Layout, name_bars, short_title, sign
from loadtests.report.quantity import digits
from loadtests.report.study import Study

_HEIGHT = 0.36
_PALE = 0.4


@dataclass(frozen=True, slots=True)
class Bars:
    """One transport's pair; None where there is no such figure. `model`: what theory says of the second."""

    transport: str
    note: str  # behind the transport's name; empty for none
    before: float | None
    after: float
    model: float | None = None
    valid: bool = True  # False: one of the two is invalid


def paired_bars(study: Study, panels: Mapping[str, Sequence[Bars]], layout: Layout) -> Figure | None:
    """Draw a panel per heading: pale bars above full ones, hollow where invalid, dotted where the model has them."""
    shown = {heading: bars for heading, bars in panels.items() if bars}
    if not shown:
        return None
    columns = len(shown) if layout is WIDE else 1
    lines = -(-len(shown) // columns)
    deepest = max(map(len, shown.values()))
    figure = Figure(figsize=(layout.width_in, 0.4 + lines * (0.8 + 0.45 * deepest)))
    for axis, (heading, bars) in zip(figure.subplots(lines, columns, squeeze=False).flat, shown.items(), strict=True):
        for row, pair in enumerate(bars):
            colour = palette.look(pair.transport).light
            face = colour if pair.valid else palette.ink("paper")
            for value, place, alpha in ((pair.before, row - _HEIGHT / 2, _PALE), (pair.after, row + _HEIGHT / 2, 1.0)):
                if value is None:
                    continue
                axis.barh(place, value, height=_HEIGHT, color=face, edgecolor=colour, lw=1.2, alpha=alpha)
                axis.annotate(digits(value), (value, place), (4, 0), textcoords="offset points", va="center")
            if pair.model is not None:
                axis.plot([pair.model] * 2, [row, row + _HEIGHT], color=palette.ink("ink"), lw=1.2, ls=":", zorder=3)
        name_bars(axis, [" ".join(filter(None, (short_title(pair.transport), pair.note))) for pair in bars])
        axis.invert_yaxis()
        axis.set(title=heading, xlim=(0, max(max(pair.after, pair.before or 0) for pair in bars) * 1.3 or 1))
        axis.locator_params(axis="x", nbins=4)
    sign(figure, study)
    return figure
