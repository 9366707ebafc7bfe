"""From a matplotlib figure to an SVG that follows the page's theme, or to a PNG for places that show no themed SVG.

Figures are drawn in the light theme's colours. In an SVG every known colour becomes a CSS variable with that colour as
its fallback, ids get a prefix, and metadata goes: the same figure gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, TypeVar

from matplotlib.figure import Figure

from loadtests.report import palette
from loadtests.report.charts.layout import WIDE, Layout, house_style

if TYPE_CHECKING:
    from IPython.display import DisplayObject


_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def svg(figure: Figure, prefix: str, label: str) -> str:
    """Render a figure as one `<svg>` element, as wide as its container.

    `prefix` must be unique on the page and a valid id; `label` is what a screen reader says.
    """
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=no_metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^<svg [^>]*>", lambda found: _opening(found[0], label), text)
    return _themed(_scoped(text, prefix)).strip()


def standalone(element: str) -> str:
    """Turn an `svg` element into a file of its own that follows the viewer's light or dark theme."""
    variables = f":root{{{palette.css_variables(dark=False)}}}"
    dark = f"@media (prefers-color-scheme:dark){{:root{{{palette.css_variables(dark=True)}}}}}"
    body = re.sub(r"(^<svg [^>]*>)", lambda found: f"{found[1]}<style>{variables}{dark}</style>", element)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _opening(found: str, label: str) -> str:
    view_box = re.search(r'viewBox="([0-9. -]+)"', found)
    box = view_box[1] if view_box else "0 0 100 100"
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {names} viewBox="{box}" width="100%" role="img" aria-label="{escape(label)}">'


def _scoped(text: str, prefix: str) -> str:
    """Prefix the ids that are referred to, drop the others (matplotlib numbers every group)."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))

    def rename(found: re.Match[str]) -> str:
        return f' id="{prefix}-{found[1]}"' if found[1] in used else ""

    text = re.sub(r' id="([^"]+)"', rename, text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", text)


def _themed(text: str) -> str:
    for look in (*palette.LOOKS.values(), palette.OTHER):
        text = text.replace(look.light, f"var(--{look.name},{look.light})")
    for name, (light, _) in palette.INKS.items():
        text = re.sub(rf"(?<!,){light}", f"var(--{name},{light})", text)
    return re.sub(r"font: ([^;\"]*?)([0-9.]+px) [^;\"]+", rf"font: \g<1>\g<2> {_FONT}", text)


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
