"""What stands in the way: a mark for each box and transport, full where it passes as the box comes."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from loadtests.records.middleboxes import CONTROL, Middleboxes, Row
from loadtests.report import palette
from loadtests.report.charts.drawing import FillStyle, Layout, name_bars, say, sign_with
from loadtests.report.claims import title
from loadtests.report.quantity import listed

_PER_ROW_IN, _AROUND_IN = 0.23, 0.8
_FILLS: Mapping[FillStyle, str] = {
    "full": "passes",
    "left": "passes with settings",
    "none": "does not pass",
}


def passages(found: Middleboxes, layout: Layout) -> Figure | None:
    """Draw every box as it comes: full marks pass, half-filled ones with settings, hollow ones not at all."""
    rows = [row for row in found.as_they_come if row.box != CONTROL]
    if not rows:
        return None
    boxes, transports = (
        list(dict.fromkeys(names)) for names in zip(*((r.box, r.transport) for r in rows), strict=True)
    )
    figure = Figure(figsize=(layout.width_in, _AROUND_IN + _PER_ROW_IN * len(boxes)))
    axis = figure.subplots()
    for column, transport in enumerate(transports):
        look = palette.look(transport)
        for fill, words in _FILLS.items():
            where = [row.box for row in rows if row.transport == transport and _fill(row) == fill]
            if where:
                (drawn,) = axis.plot(
                    [column] * len(where),
                    [boxes.index(box) for box in where],
                    ls="none",
                    marker=look.marker,
                    ms=6.5,
                    color=look.light,
                    fillstyle=fill,
                    markerfacecoloralt=palette.ink("paper"),
                )
                say(drawn, f"{title(transport)} {words} behind: {listed(where)}")
    name_bars(axis, boxes)
    axis.set_xticks(range(len(transports)), [title(name).replace(" ", "\n") for name in transports])
    axis.tick_params(axis="x", length=0, labeltop=True, labelbottom=False, labelcolor=palette.ink("ink"))
    axis.grid(visible=False, axis="x")
    axis.grid(visible=True, axis="y")
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set(xlim=(-0.6, len(transports) - 0.4), ylim=(len(boxes) - 0.4, -0.6))
    sign_with(figure, f"commit {found.commit}, {found.started_utc[:10]}")
    return figure


def _fill(row: Row) -> FillStyle:
    return "full" if row.passes else "left" if row.cured else "none"
