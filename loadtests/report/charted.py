"""The report's charts with their words: drawn once, as pieces that the page sets side by side if it has room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from loadtests.report import frontier, sentences, subjects
from loadtests.report.charts import svg
from loadtests.report.charts.answer import answers
from loadtests.report.charts.costs import costs, timeline
from loadtests.report.charts.drawing import SCREEN, Layout, house_style
from loadtests.report.charts.frontier import cheapest_in_time
from loadtests.report.charts.latency import latency_budget, latency_by_fan_out, latency_ecdf
from loadtests.report.field import Part
from loadtests.report.study import Study


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of the report; without `pieces` where there was nothing to draw."""

    slug: str
    part: str  # of the page, where it stands
    heading: str
    sentence: str
    reading: str  # how to read it: the same for every run
    pieces: tuple[Markup, ...] = ()  # <svg> elements
    whole: str = ""  # all of them as one
    headed: bool = False  # the first piece is the legend
    template: str = ""  # what stands below it, of a part of "In the field"
    found: object = None  # what the template shows
    origin: str = ""  # of kept evidence


Draw = Callable[[Study, Layout], Figure | None]
Rendered = tuple[tuple[Markup, ...], str, bool]

CHARTS: tuple[tuple[str, str, str, Draw, Callable[[Study], str], str], ...] = (
    (
        "answer",
        "answer",
        "Measured, beside the guide",
        answers,
        sentences.answer,
        "Hollow: what the guide says (0 stands at the left end). Solid: measured, with its 95 % interval; "
        "half-filled is doubtful.",
    ),
    (
        "latency",
        "guide",
        "Delivery latency",
        latency_ecdf,
        sentences.ecdf,
        "Each line: the share of deliveries that took at most so long; marks at p50 and p99. Dotted: what the link and "
        "the polling grid alone would give (on loopback that is 0 ms for everything but short polling).",
    ),
    (
        "costs",
        "costs",
        "What it costs",
        costs,
        sentences.costs,
        "Under the heaviest load of the table; memory from cells that hold idle connections. Whiskers: lowest and "
        "highest cell.",
    ),
    (
        "fan-out",
        "costs",
        "Latency against the size of the room",
        latency_by_fan_out,
        sentences.fan_out,
        "Solid: median with its 95 % interval. Dashed: p99, where enough samples lie beyond it. Dotted: half the grid "
        "of short polling.",
    ),
    (
        "cheapest",
        "field",
        "The cheapest transport in time, by link and message rate",
        cheapest_in_time,
        frontier.sentence,
        "Colour and mark: of the transports whose 90th percentile is within the budget, the one with the least server "
        "CPU per delivery, in µs; small marks: who costs at most a tenth more. Where colours meet, the cheapest "
        "changes. Dotted: the longest round trip at which, by the closed forms alone, pushes, long polls and short "
        "polls stay within the budget.",
    ),
    (
        "budget",
        "costs",
        "Where the time goes",
        latency_budget,
        sentences.budgets,
        "From stamps of the servers, in cells of their own. A bar: the mean steps of the deliveries around the median, "
        "and around p99; the figure: their delivery latency, which ends before the last step. Its turn: the receivers "
        "before it, and for polls the wait until it asks.",
    ),
    (
        "timeline",
        "trust",
        "The run, second by second",
        timeline,
        sentences.timeline,
        "Bars: the server's CPU in the colour of its transport; the strip below shows every cell, hollow if invalid.",
    ),
)


def draw(worked_out: Study) -> tuple[Chart, ...]:
    """Draw every chart that the run was made for."""
    charts = []
    for slug, part, heading, figure_of, say, reading in CHARTS:
        sentence = say(worked_out)
        if sentence:  # else the run was not made for this chart
            drawn = _drawn(slug, partial(figure_of, worked_out))
            charts.append(Chart(slug, part, heading, sentence, reading, *_rendered(drawn, heading, sentence)))
    return tuple(charts)


def draw_field(worked_out: Study, run_dir: Path) -> tuple[Chart, ...]:
    """Draw what the run holds of each subject of "In the field"."""
    return tuple(
        Chart(
            part.slug,
            "field",
            part.heading,
            part.sentence,
            part.reading,
            *_of_part(part),
            part.template,
            part.found,
            part.origin,
        )
        for part in subjects.parts(worked_out, run_dir)
    )


_KEPT: dict[tuple[str, str], Rendered] = {}
"""Charts of kept evidence, drawn once in a process: they are the same in every report."""


def _of_part(part: Part) -> Rendered:
    key = part.slug, part.origin
    if key not in _KEPT:
        rendered = _rendered(_drawn(part.slug, part.draw), part.heading, part.sentence)
        if not part.origin:
            return rendered
        _KEPT[key] = rendered
    return _KEPT[key]


def _drawn(slug: str, figure_of: Callable[[Layout], Figure | None]) -> svg.Drawing | None:
    with house_style():
        figure = figure_of(SCREEN)
        return svg.drawn(figure, slug) if figure else None


def _rendered(drawn: svg.Drawing | None, heading: str, sentence: str) -> Rendered:
    if drawn is None:
        return (), "", False
    label = f"{heading}. {sentence}"
    return tuple(map(Markup, drawn.pieces(label))), drawn.whole(label), drawn.headed  # escaped there
