"""Write a run's report: one HTML file that needs nothing else, and the charts as SVG files beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from loadtests.records import notes, repeats
from loadtests.records.replays import Replays
from loadtests.records.schema import Cell, Validity
from loadtests.report import (
    calibration,
    capacity,
    claims,
    frontier,
    guide_table,
    links,
    palette,
    quantity,
    replays,
    sentences,
    subjects,
    variants,
)
from loadtests.report.charts import drawing
from loadtests.report.charts.costs import costs, timeline
from loadtests.report.charts.drawing import LAYOUTS, Layout, house_style
from loadtests.report.charts.frontier import cheapest_in_time
from loadtests.report.charts.latency import latency_budget, latency_by_fan_out, latency_ecdf
from loadtests.report.condition import value_of
from loadtests.report.study import Study, study
from loadtests.report.verdicts import guide
from loadtests.report.verdicts.evidence import Evidence, gather

_NAME = "report.html"


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of the report, drawn once per layout. `drawings` is empty where there was nothing to draw."""

    slug: str
    heading: str
    sentence: str
    reading: str  # how to read it: the same for every run
    drawings: tuple[tuple[str, Markup], ...]  # layout name, <svg>
    template: str = ""  # what stands below it, of a part of "In the field"
    found: object = None  # what the template shows


CHARTS: tuple[tuple[str, str, Callable[[Study, Layout], Figure | None], Callable[[Study], str], str], ...] = (
    (
        "latency",
        "Delivery latency",
        latency_ecdf,
        sentences.ecdf,
        "Each line: the share of deliveries that took at most so long; marks at p50 and p99. Dotted: what the link and "
        "the polling grid alone would give (on loopback that is 0 ms for everything but short polling).",
    ),
    (
        "fan-out",
        "Latency against the size of the room",
        latency_by_fan_out,
        sentences.fan_out,
        "Solid: median with its 95 % interval. Dashed: p99, where enough samples lie beyond it. Dotted: half the grid "
        "of short polling.",
    ),
    (
        "cheapest",
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
        "Where the time goes",
        latency_budget,
        sentences.budgets,
        "From stamps of the servers, in cells of their own. A bar: the mean steps of the deliveries around the median, "
        "and around p99; the figure: their delivery latency, which ends before the last step. Its turn: the receivers "
        "before it, and for polls the wait until it asks.",
    ),
    (
        "costs",
        "What it costs",
        costs,
        sentences.costs,
        "Under the heaviest load of the table; memory from cells that hold idle connections. Whiskers: lowest and "
        "highest cell.",
    ),
    (
        "timeline",
        "The run, second by second",
        timeline,
        sentences.timeline,
        "Bars: the server's CPU in the colour of its transport; the strip below shows every cell, hollow if invalid.",
    ),
)


def write(run_dir: Path, worked_out: Study | None = None) -> Path:
    """Write `report.html` and `charts/*.svg` into the run folder and return the report's path. Raises `RunError`.

    The run is worked out here unless `worked_out` is at hand. `CHARTS` says what is drawn.
    """
    worked_out = worked_out or study(run_dir)
    charts, in_the_field = _draw(worked_out), _draw_field(worked_out, run_dir)
    folder = run_dir / "charts"
    folder.mkdir(exist_ok=True)
    for chart in (*charts, *in_the_field):
        for layout, element in chart.drawings:
            name = chart.slug if layout == LAYOUTS[0].name else f"{chart.slug}-{layout}"
            (folder / f"{name}.svg").write_text(drawing.standalone(str(element)), encoding="utf-8")
    path = run_dir / _NAME
    page = render(worked_out, charts, gather(worked_out, run_dir), in_the_field, replays.beside(run_dir))
    path.write_text(page, encoding="utf-8")
    return path


def render(
    worked_out: Study,
    charts: tuple[Chart, ...],
    evidence: Evidence,
    in_the_field: tuple[Chart, ...] = (),
    replayed: Replays | None = None,
) -> str:
    """Return the page. Every value from the run is escaped; only our own drawings are not."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "digits": quantity.digits,
        "value": value_of,
        "title": claims.title,
        "look": lambda transport: palette.look(transport).name,
        "interval": lambda estimate: quantity.span(estimate.low_ms, estimate.high_ms),
        "claimed": guide_table.claimed,
        "happened": guide_table.happened,
        "in_words": notes.in_words,
        "contrast": sentences.contrast,
        "shares": variants.shares,
    }
    rows = guide_table.of(worked_out)
    stacks, scaled = variants.stacks(worked_out), variants.scaled(worked_out)
    return environment.get_template("page.html.j2").render(
        study=worked_out,
        run=worked_out.run,
        groups=_by_load(rows),
        alarm=not worked_out.run.complete or Validity.INVALID in repeats.outcomes(worked_out.run.cells).values(),
        noted=sorted(filter(_noted, worked_out.run.cells), key=lambda cell: cell.order),
        charts=charts,
        field=in_the_field,
        replayed=replayed,
        replays=replays,
        marks=guide_table.MARKS,
        state=sentences.state(worked_out),
        headline=sentences.headline(worked_out),
        residuals=links.residuals(worked_out),
        slack_ms=links.SLACK_MS,
        links=links.link_qualities(worked_out.run),
        five_hundred=sentences.five_hundred(worked_out),
        share=quantity.share,
        calibration=calibration,
        variants=variants,
        capacity=capacity,
        stacks=stacks,
        writes_note=variants.writes_note(stacks),
        stack_sentence=variants.stack_sentence(stacks),
        scaled=scaled,
        scaled_sentence=variants.scaled_sentence(scaled),
        guide=[(name, claims.GUIDE_LATENCY_MS[name], *words) for name, words in claims.GUIDE_COLUMNS.items()],
        light=Markup(palette.css_variables(dark=False)),  # noqa: S704  # our own constants
        dark=Markup(palette.css_variables(dark=True)),  # noqa: S704
        **guide.context(evidence),
    )


def _noted(cell: Cell) -> bool:
    return cell.verdict.validity is not Validity.VALID or bool(cell.errors)


def _by_load(rows: tuple[guide_table.Row, ...]) -> list[tuple[str, list[guide_table.Row]]]:
    groups: dict[tuple[str, str], list[guide_table.Row]] = {}
    for row in rows:
        groups.setdefault((_heading(row), row.result.condition.load), []).append(row)
    loads = Counter(heading for heading, _ in groups)
    # Loads may differ in what the heading leaves out: then their names distinguish them.
    return [
        (heading if loads[heading] == 1 else f"{heading} ({load})", found) for (heading, load), found in groups.items()
    ]


def _heading(row: guide_table.Row) -> str:
    c = row.result.condition
    heading = f"{quantity.count(c.subscribers, 'receiver')}, {c.rate_per_s:g} messages a second"
    return heading if c.link == "loopback" else f"{heading}, link {c.link}"


def _draw(worked_out: Study) -> tuple[Chart, ...]:
    charts = []
    for slug, heading, draw, say, reading in CHARTS:
        sentence = say(worked_out)
        if sentence:  # else the run was not made for this chart
            drawings = _drawings(slug, f"{heading}. {sentence}", partial(draw, worked_out))
            charts.append(Chart(slug, heading, sentence, reading, drawings))
    return tuple(charts)


def _draw_field(worked_out: Study, run_dir: Path) -> tuple[Chart, ...]:
    return tuple(
        Chart(
            part.slug,
            part.heading,
            part.sentence,
            part.reading,
            _drawings(part.slug, f"{part.heading}. {part.sentence}", part.draw),
            part.template,
            part.found,
        )
        for part in subjects.parts(worked_out, run_dir)
    )


def _drawings(slug: str, label: str, draw: Callable[[Layout], Figure | None]) -> tuple[tuple[str, Markup], ...]:
    with house_style():
        return tuple(
            (layout.name, Markup(drawing.svg(figure, f"{slug}-{layout.name}", label)))  # noqa: S704  # escaped there
            for layout in LAYOUTS
            if (figure := draw(layout))
        )
