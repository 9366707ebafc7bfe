"""What stands around a chart's axes has its room: nothing is cut off, and nothing lies on something else."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest
from matplotlib.figure import Figure

from loadtests.records.schema import Validity
from loadtests.report.charts import svg
from loadtests.report.charts.drawing import SCREEN, WIDE, house_style, legend, name_bars, panels, short_title, sign_with
from loadtests.report.condition import Result
from loadtests.report.layout import Layout

OURS = ("websocket", "sse", "longpoll", "shortpoll", "h2push", "socketio", "sse-h2", "fetchstream")
ONE_PT = 1.0


def figure_of(transports: Sequence[str], layout: Layout, count: int) -> Figure:
    results = [
        SimpleNamespace(condition=SimpleNamespace(transport=name), validity=Validity.VALID) for name in transports
    ]
    with house_style():
        figure, axes = panels(layout, count, head_in=0.75, panel_in=2.7)
        for axis in axes:
            name_bars(axis, [short_title(name) for name in transports[:9]])
            axis.set(title="what is shown\nand of what", xlabel="how long it took, ms", ylabel="share")
        legend(figure, cast("list[Result]", results), layout, modelled=True)
        sign_with(figure, "run 20260101T000000Z-synthetic-0000001")
        svg.drawn(figure, "test")
    return figure


@pytest.mark.parametrize(
    ("theirs", "count", "layout"), [(0, 3, SCREEN), (11, 1, SCREEN), (11, 3, WIDE), (60, 1, SCREEN)], ids=str
)
def test_nothing_is_cut_off_and_nothing_overlaps(theirs: int, count: int, layout: Layout) -> None:
    names = [*OURS, *(f"a-server-with-a-long-name-{number}" for number in range(theirs))]
    figure = figure_of(names, layout, count)
    width, height = figure.bbox.size
    around = [box for axis in figure.axes if axis.get_visible() and (box := axis.get_tightbbox()) is not None]
    ((names_box,), (signature,)) = (
        [each.get_window_extent() for each in some] for some in (figure.legends, figure.texts)
    )
    assert names_box.x1 <= width + ONE_PT
    assert min(box.x0 for box in around) >= 0
    assert max(box.x1 for box in around) <= width + ONE_PT
    assert max(box.y1 for box in around) <= names_box.y0 + ONE_PT <= height
    assert min(box.y0 for box in around) >= signature.y1 - ONE_PT
    assert not any(one.overlaps(other) for place, one in enumerate(around) for other in around[:place])
    assert all(axis.bbox.height > 72 for axis in figure.axes), "an inch is left to see something in"


def test_our_own_transports_stand_in_as_many_columns_as_there_may_be() -> None:
    figure = figure_of(OURS, SCREEN, 1)
    assert vars(figure.legends[0])["_ncols"] == SCREEN.legend_columns
    assert figure.get_figheight() == pytest.approx(3.45)


def test_long_names_that_begin_alike_can_be_told_apart() -> None:
    names = [short_title(f"a-server-with-a-long-name-{number}") for number in (1, 2)]
    assert len({*names}) == 2
    assert max(map(len, names)) == 20
    assert short_title("centrifugo-websocket") == "centrifugo-websocket"
