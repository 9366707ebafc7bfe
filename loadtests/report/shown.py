"""What a notebook's cell shows: a chart or a table; where the run holds neither, one sentence says what it lacks.

Needs IPython, which every notebook runs in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from loadtests.report.charts import drawing
from loadtests.report.charts.drawing import Layout, T

if TYPE_CHECKING:
    from IPython.display import DisplayObject


def picture(draw: Callable[[T, Layout], Figure | None], shown: T | None, sentence: str) -> DisplayObject:
    """Show a chart and return the sentence that it makes visible; the sentence alone where there is nothing to draw."""
    from IPython.display import Image, display

    if shown is not None and (drawn := drawing.png(draw, shown)):
        display(Image(drawn, alt=sentence))  # type: ignore[no-untyped-call]
    return words(sentence)


def table(frame: pd.DataFrame, lacking: str, decimals: int | None = None) -> Any:
    """Return a frame, rounded; of one without rows, what is `lacking`."""
    if frame.empty:
        return words(lacking)
    return frame if decimals is None else frame.round(decimals)


def words(*sentences: str) -> DisplayObject:
    """Return sentences as Markdown, a paragraph each; empty ones are left out."""
    from IPython.display import Markdown

    return Markdown("\n\n".join(filter(None, sentences)))  # type: ignore[no-untyped-call]
