"""A chart as PNG, for places that show no themed SVG (notebooks on the web)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeVar

from matplotlib.figure import Figure

from loadtests.analysis.charts.layout import WIDE, Layout, house_style

T = TypeVar("T")  # what a chart shows: a `Study`, or what else it is drawn from

_DOTS_PER_INCH = 110


def png(draw: Callable[[T, Layout], Figure | None], shown: T) -> bytes:
    """Draw a chart of a study wide and light; the same one gives the same bytes. Raises ValueError for nothing."""
    with house_style():
        figure = draw(shown, WIDE)
        if figure is None:
            raise ValueError(f"there is nothing to draw for {draw.__name__}")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()
