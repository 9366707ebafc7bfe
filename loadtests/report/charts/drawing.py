"""How every chart looks: sizes, type, marks, legend, signature; and how it becomes a PNG.

Figures are drawn in the light theme's colours. `charts.svg` makes an SVG of one, which follows the page's theme; a PNG
is for places that show no themed SVG.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import ArrayLike

from loadtests.records.schema import Validity
from loadtests.report import palette
from loadtests.report.charts import room
from loadtests.report.claims import title
from loadtests.report.condition import Result
from loadtests.report.layout import Layout as Layout
from loadtests.report.quantity import AtLeast
from loadtests.report.study import Study

_MAX_NAME = 20
_FOOT_IN = 0.04
_LETTER_PT, _BESIDE_PT = 4.4, 32.0  # of a name in a legend: a letter's usual width, its line and the gaps
_LEGEND_ROWS, _LEGEND_ROW_IN = 5, 0.17  # so many rows have room; each further one makes its figure higher

FillStyle = Literal["full", "left", "none"]


WIDE = Layout("wide", 8.8, 2, 5)
SCREEN = Layout("screen", 4.3, 1, 3)
"""One column of panels, each as wide as a phone: the page sets them side by side where there is room."""

_FILL: dict[Validity, FillStyle] = {
    Validity.VALID: "full",
    Validity.DOUBTFUL: "left",
    Validity.INVALID: "none",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw inside: text stays text, ids are stable, names are never taken for formulas."""
    ink, muted, rule = palette.ink("ink"), palette.ink("muted"), palette.ink("rule")
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "rtlab",
        "text.parse_math": False,
        "font.family": "DejaVu Sans",
        "font.size": 8,
        "axes.titlesize": 8.5,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.titley": 1.0,  # else it is sought above the ticks, each of which is measured for that
        "axes.labelsize": 8,
        "axes.labelcolor": muted,
        "axes.edgecolor": rule,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": rule,
        "grid.linewidth": 0.6,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "text.color": ink,
        "axes.titlecolor": ink,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "figure.facecolor": palette.ink("paper"),
        "axes.facecolor": palette.ink("paper"),
        "savefig.facecolor": palette.ink("paper"),
        "lines.linewidth": 1.6,
    }
    with mpl.rc_context(style):
        yield


def panels(
    layout: Layout, count: int, *, head_in: float, panel_in: float, shared: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` axes, row by row in the layout's columns; `shared`: with common scales.

    Heights in inches: `head_in` for what stands above the axes, `panel_in` for each row of them.
    """
    columns = min(layout.columns, count)
    lines = -(-count // columns)
    figure = Figure(figsize=(layout.width_in, head_in + panel_in * lines))
    is_panelled(figure)
    axes: list[Axes] = list(figure.subplots(lines, columns, sharex=shared, sharey=shared, squeeze=False).flat)
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes[:count]


PANELS = "panels"
SAYS = "says:"


def is_panelled(figure: Figure) -> None:
    """Let each of the figure's axes be shown as a drawing of its own."""
    figure.set_gid(PANELS)


def say(artist: Artist, words: str) -> None:
    """Give an artist a title, which a browser shows under the pointer and a screen reader reads."""
    artist.set_gid(f"{SAYS}{words}")


def name_bars(axis: Axes, names: Sequence[str]) -> None:
    """Name horizontal bars, one at each whole number from 0; only figures have grid lines."""
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0, labelcolor=palette.ink("ink"))
    axis.grid(visible=False, axis="y")


def model_line(axis: Axes, x: ArrayLike, y: ArrayLike) -> None:
    """Draw what a model says: thin and dotted, above the measurements."""
    axis.plot(x, y, color=palette.ink("ink"), lw=1.2, ls=":", zorder=3)


def short_title(transport: str) -> str:
    """Return a transport's name as charts have room for it; names of one kind begin alike, so both ends stay."""
    name, end = title(transport), _MAX_NAME // 2
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - end - 1]}\N{HORIZONTAL ELLIPSIS}{name[-end:]}"


def mark(axis: Axes, x: float, y: float, result: Result, size: float = 5.5, words: str = "") -> None:
    """Put a transport's mark: full if valid, half if doubtful, hollow if invalid; an arrow from a lower bound.

    `words` are its title: the figure that it stands for.
    """
    look = palette.look(result.condition.transport)
    (drawn,) = axis.plot(
        [x],
        [y],
        ls="none",
        marker=look.marker,
        ms=size,
        color=look.light,
        fillstyle=_FILL[result.validity],
        markerfacecoloralt=palette.ink("paper"),
        zorder=4,
    )
    if words:
        say(drawn, f"{title(result.condition.transport)}: {words}")
    for value, towards in ((x, (14, 0)), (y, (0, 14))):
        if isinstance(value, AtLeast):
            arrow = {"arrowstyle": "<-", "color": look.light, "lw": 1.0}
            axis.annotate("", (x, y), towards, textcoords="offset points", arrowprops=arrow)


def legend(figure: Figure, results: Iterable[Result], layout: Layout, *, modelled: bool) -> None:
    """Name the transports, in their fixed order and read row by row, above the axes."""
    shown = list(results)
    handles: list[Line2D] = []
    for transport in dict.fromkeys(sorted((r.condition.transport for r in shown), key=palette.rank)):
        look = palette.look(transport)
        handles.append(Line2D([], [], color=look.light, marker=look.marker, ms=5, label=short_title(transport)))
    if modelled:
        handles.append(Line2D([], [], color=palette.ink("ink"), lw=1.2, ls=":", label="model"))
    if any(r.validity is Validity.INVALID for r in shown):
        muted = palette.ink("muted")
        handles.append(Line2D([], [], ls="--", marker="o", mfc="none", color=muted, label="invalid"))
    columns = _legend_columns([str(handle.get_label()) for handle in handles], layout)
    beyond = max(0, -(-len(handles) // columns) - _LEGEND_ROWS)
    figure.set_figheight(figure.get_figheight() + beyond * _LEGEND_ROW_IN)
    # matplotlib fills columns first; a reader goes along the rows.
    by_row = [handle for column in range(columns) for handle in handles[column::columns]]
    figure.legend(handles=by_row, loc="outside upper left", ncols=columns, columnspacing=1.2)


def _legend_columns(names: Sequence[str], layout: Layout) -> int:
    """Return into how many columns names fit that are read row by row; a name too long for one has one to itself."""
    for columns in range(min(layout.legend_columns, len(names)), 1, -1):
        widest = [max(map(len, names[column::columns])) for column in range(columns)]
        if sum(_LETTER_PT * letters + _BESIDE_PT for letters in widest) <= 72 * layout.width_in:
            return columns
    return 1


def plain_log(axis: Axes, which: Literal["x", "y"]) -> None:
    """Write a log axis' decades as plain numbers."""
    formatter = FuncFormatter(lambda value, _: f"{value:g}")
    chosen = axis.xaxis if which == "x" else axis.yaxis
    chosen.set_major_formatter(formatter)
    chosen.set_minor_formatter(NullFormatter())


def sign(figure: Figure, study: Study) -> None:
    """Put the run's id below the axes."""
    sign_with(figure, f"run {study.run.run_id}")


def sign_with(figure: Figure, words: str) -> None:
    """Put what it was drawn from below the axes."""
    style: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": 6.5, "color": palette.ink("muted")}
    figure.text(0.995, _FOOT_IN / figure.get_figheight(), words, **style)


T = TypeVar("T")  # what a chart shows: a `Study`, or what else it is drawn from

_DOTS_PER_INCH = 110


def png(draw: Callable[[T, Layout], Figure | None], shown: T) -> bytes:
    """Draw a chart wide and light; the same one gives the same bytes, and none where there is nothing to draw."""
    with house_style():
        figure = draw(shown, WIDE)
        if figure is None:
            return b""
        buffer = io.BytesIO()
        FigureCanvasAgg(figure)
        figure.set_dpi(_DOTS_PER_INCH)
        room.make(figure)
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
