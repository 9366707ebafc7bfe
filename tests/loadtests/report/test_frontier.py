"""The cheapest transport within a latency budget: by planted figures, and in the chart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.report import frontier
from loadtests.report.charts.drawing import SCREEN, WIDE, Layout, house_style
from loadtests.report.charts.frontier import cheapest_in_time
from loadtests.report.frontier import Candidate
from loadtests.report.study import Study
from tests.loadtests.report.sweep import RATES_PER_S, RTTS_MS


def winners(study: Study, budget_ms: float) -> dict[tuple[float, float], str]:
    return {
        (point.rtt_ms, point.rate_per_s): point.best.transport if point.best else "nobody"
        for point in frontier.points(frontier.candidates(study), budget_ms)
    }


def test_every_point_of_the_sweep_is_judged(swept: Study) -> None:
    assert set(winners(swept, 100.0)) == {(rtt, rate) for rtt in RTTS_MS for rate in RATES_PER_S}


def test_the_cheapest_is_taken_only_among_those_in_time(swept: Study) -> None:
    tight, loose = winners(swept, 100.0), winners(swept, 1200.0)

    assert tight[0.0, 10.0] == "websocket", "short polling is cheaper and far too late"
    assert tight[0.0, 40.0] == "longpoll", "at half its price it is cheaper than the push"
    assert tight[300.0, 10.0] == "nobody", "a transit alone is 150 ms"
    assert set(loose.values()) == {"shortpoll"}


def test_who_costs_about_as_much_is_named() -> None:
    here = [Candidate("sse", 20.0, 10.0, 12.0, 33.0), Candidate("websocket", 20.0, 10.0, 12.0, 31.0)]
    dear = replace(here[0], transport="longpoll", cpu_us=34.2)

    (point,) = frontier.points([*here, dear], 30.0)

    assert point.best == here[1]
    assert point.as_cheap == ("sse",)


def test_the_sentence_counts_the_points_of_each_winner(swept: Study) -> None:
    said = frontier.sentence(swept)

    assert "Within 30 ms at p90, of 12 points the cheapest is WebSocket at 4 and long polling at 2, nobody" in said
    assert "Within 1200 ms at p90, of 12 points the cheapest is short polling at 12." in said


@pytest.mark.parametrize("layout", [SCREEN, WIDE], ids=lambda layout: layout.name)
def test_the_map_has_a_panel_for_each_budget_and_a_tile_for_each_point(swept: Study, layout: Layout) -> None:
    with house_style():
        figure = cheapest_in_time(swept, layout)

    assert figure is not None
    panels = [axis for axis in figure.axes if axis.get_title(loc="left")]
    assert len(panels) == len(frontier.BUDGETS_MS)
    for axis in panels:
        assert len(axis.patches) == len(RTTS_MS) * len(RATES_PER_S)


def test_without_a_sweep_there_is_no_map(swept: Study) -> None:
    bare = replace(swept, results=())

    assert cheapest_in_time(bare, WIDE) is None
    assert not frontier.sentence(bare)
