"""A chart as PNG, for places that show no themed SVG (notebooks on the web)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from matplotlib.figure import Figure

from loadtests.report.charts.layout import WIDE, Layout, house_style

if TYPE_CHECKING:
    from IPython.display import DisplayObject

T = TypeVar("T")  # what a chart shows: a `Study`, or what else it is drawn from

_DOTS_PER_INCH = 110


class NothingToDrawError(ValueError):
    """The run was not made for this chart; the message names it."""


def picture(draw: Callable[[T, Layout], Figure | None], shown: T, sentence: str) -> DisplayObject:
    """Return a chart for a notebook, described by `sentence`; the sentence alone where there is nothing to draw.

    Needs IPython, which every notebook runs in.
    """
    from IPython.display import Image, Markdown

    try:
        return Image(png(draw, shown), alt=sentence)  # type: ignore[no-untyped-call]
    except NothingToDrawError as error:
        return Markdown(sentence or f"This run: {error}.")  # type: ignore[no-untyped-call]


def png(draw: Callable[[T, Layout], Figure | None], shown: T) -> bytes:
    """Draw a chart of a study wide and light; the same one gives the same bytes. Raises NothingToDrawError."""
    with house_style():
        figure = draw(shown, WIDE)
        if figure is None:
            raise NothingToDrawError(f"there is nothing to draw for {draw.__name__}")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()
