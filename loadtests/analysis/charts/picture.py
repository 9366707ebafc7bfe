"""A chart as PNG, for places that show no themed SVG (notebooks on the web)."""

from __future__ import annotations

import io
from collections.abc import Callable

from matplotlib.figure import Figure

from loadtests.analysis.charts.layout import WIDE, Layout, house_style
from loadtests.analysis.study import Study

_DOTS_PER_INCH = 110


def png(draw: Callable[[Study, Layout], Figure | None], study: Study) -> bytes:
    """Draw a chart wide and light; the same study gives the same bytes. Raises ValueError where there is nothing."""
    with house_style():
        figure = draw(study, WIDE)
        if figure is None:
            raise ValueError(f"run {study.run.run_id} holds nothing to draw for {draw.__name__}")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()
