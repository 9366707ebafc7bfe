"""Room for what stands around a figure's axes: labels and titles, the legend above them, the signature below.

matplotlib's constrained layout makes it too, but measures and draws every tick four times: that was more than half of
the time that a report takes. Here each is measured once, and drawn once.
"""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

_PAD_PT = 3.0
_BETWEEN_PT = 10.0  # what stands around one of the axes and what stands around its neighbour


@dataclass(frozen=True, slots=True)
class _Around:
    """How far what belongs to some axes goes beyond their frame, in pixels."""

    axes: Axes
    place: SubplotSpec
    left: float
    right: float
    above: float
    below: float


def make(figure: Figure) -> list[tuple[float, float]]:
    """Set the axes so that everything has its room; return how far each of them goes, in points from the top.

    The figure's canvas must be that which will draw it, since another one's letters have other widths.
    """
    found = [_around(axes, place) for axes in figure.axes if axes.get_visible() and (place := axes.get_subplotspec())]
    if not found:
        return []
    grid = found[0].place.get_gridspec()
    rows = [[each for each in found if each.place.rowspan.start == row] for row in range(grid.nrows)]
    above, below = ([max(getattr(each, side) for each in row) for row in rows] for side in ("above", "below"))
    left, right = max(each.left for each in found), max(each.right for each in found)
    width, height = figure.bbox.size
    pt = figure.dpi / 72
    head = (
        above[0] + _PAD_PT * pt + max((height - legend.get_window_extent().y0 for legend in figure.legends), default=0)
    )
    foot = below[-1] + _PAD_PT * pt + max((text.get_window_extent().y1 for text in figure.texts), default=0)
    between = _BETWEEN_PT * pt + max((one + other for one, other in zip(below, above[1:], strict=False)), default=0)
    beside = _BETWEEN_PT * pt + left + right
    left, right = left + _PAD_PT * pt, right + _PAD_PT * pt
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        top=1 - head / height,
        bottom=foot / height,
        hspace=between / _each(height - head - foot, between, grid.nrows),
        wspace=beside / _each(width - left - right, beside, grid.ncols),
    )
    frames = [(each, each.axes.bbox) for each in found]
    return [((height - frame.y1 - each.above) / pt, (height - frame.y0 + each.below) / pt) for each, frame in frames]


def _around(axes: Axes, place: SubplotSpec) -> _Around:
    # As matplotlib's own layouts do: a long title or label may go on above its neighbours.
    whole, frame = axes.get_tightbbox(for_layout_only=True), axes.bbox
    assert whole is not None
    return _Around(axes, place, frame.x0 - whole.x0, whole.x1 - frame.x1, whole.y1 - frame.y1, frame.y0 - whole.y0)


def _each(whole: float, between: float, count: int) -> float:
    """Return how long each of `count` axes is that share a length with the gaps between them."""
    return (whole - between * (count - 1)) / count
