"""How a chart becomes an SVG that follows the page's theme.

Every known colour becomes a CSS variable with that colour as its fallback, ids get a prefix, and metadata goes: the
same figure gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from loadtests.report import palette
from loadtests.report.charts import room
from loadtests.report.charts.drawing import PANELS, SAYS

Theme = Literal["light", "dark", "either"]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure as SVG: what it holds, its size in points, and where its panels begin and end."""

    prefix: str
    width: float
    height: float
    body: str
    borders: tuple[float, ...]
    headed: bool = False  # the first piece is what stands above the panels: a legend

    def whole(self, label: str) -> str:
        """Return one `<svg>`, as wide as its container; `label` is what a screen reader says."""
        return f"{_opening(0, self.width, self.height, label)}{self.body}</svg>"

    def pieces(self, label: str) -> tuple[str, ...]:
        """Return an `<svg>` for what stands above the panels and one for each of them: a page sets them as it has room.

        All but the first show a part of the first one's drawing. A figure without panels is one piece.
        """
        if len(self.borders) < 3:
            return (self.whole(label),)
        whole = f'<g id="{self.prefix}-all">{self.body}</g>'
        again = f'<use href="#{self.prefix}-all"/>'
        return tuple(
            f"{_opening(top, self.width, bottom - top, '' if number else label)}{again if number else whole}</svg>"
            for number, (top, bottom) in enumerate(pairwise(self.borders))
        )


def drawn(figure: Figure, prefix: str) -> Drawing:
    """Render a figure. `prefix` must be unique on the page and a valid id."""
    FigureCanvasSVG(figure)
    figure.set_dpi(72)
    reaches = room.make(figure)
    width, height, body = _rendered(figure, prefix)
    if figure.get_gid() != PANELS:
        return Drawing(prefix, width, height, body, ())
    top, *between = _borders(reaches)
    headed = top > _HEAD_PT
    return Drawing(prefix, width, height, body, (0.0, *([top] if headed else []), *between, height), headed)


def svg(figure: Figure, prefix: str, label: str) -> str:
    """Render a figure as one `<svg>` element."""
    return drawn(figure, prefix).whole(label)


def _borders(reaches: Sequence[tuple[float, float]]) -> list[float]:
    """Return where the first panel begins and where each next one does, in points from the top."""
    return [reaches[0][0] - 2, *((bottom + top) / 2 for (_, bottom), (top, _) in pairwise(reaches))]


_HEAD_PT = 20.0
"""With more than this above the first panel there is a legend, which is a piece of its own."""


def _rendered(figure: Figure, prefix: str) -> tuple[float, float, str]:
    """Return width and height in points, and what the drawing holds."""
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=no_metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(rf' id="{SAYS}([^"]*)">', r"><title>\g<1></title>", text)
    text = re.sub(r' d="([^"]+)"', lambda found: f' d="{_shortened(found[1])}"', text)
    text = re.sub(r' [xy]="[^"]+"', lambda found: _rounded(found[0]), text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    text = re.sub(r">\s+<", "><", text)
    text = re.sub(r' style="[^"]+"', lambda found: re.sub(r"([:;]) ", r"\g<1>", found[0]), text)
    text = text[text.index(">") + 1 : text.rindex("</svg>")]
    width, height = figure.get_size_inches() * 72
    return float(width), float(height), _themed(_scoped(text, prefix)).strip()


def _shortened(path: str) -> str:
    """Return a path's data without the spaces that nobody needs."""
    return re.sub(r"\s*([MLHVCSQTAZ])\s*", r"\g<1>", _rounded(path), flags=re.IGNORECASE).strip()


def _rounded(text: str) -> str:
    """Return a text with its numbers to a tenth of a point: less than a pixel, as wide as a page is."""
    return re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), text)


def standalone(element: str, theme: Theme = "either") -> str:
    """Turn an `svg` element into a file of its own, in one theme or in the viewer's."""
    light, dark = (f":root{{{palette.css_variables(dark=each)}}}" for each in (False, True))
    style = {"light": light, "dark": dark, "either": f"{light}@media (prefers-color-scheme:dark){{{dark}}}"}[theme]
    body = re.sub(r"(^<svg [^>]*>)", lambda found: f"{found[1]}<style>{style}</style>", element)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _opening(top: float, width: float, height: float, label: str) -> str:
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    says = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return f'<svg {names} viewBox="0 {top:.6g} {width:.6g} {height:.6g}" width="100%" {says}>'


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
