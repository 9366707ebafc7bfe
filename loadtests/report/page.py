"""Write a run's report: one HTML file that needs nothing else; the charts as SVG files, and advice, beside it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from loadtests.records import notes, repeats
from loadtests.records.facts import Facts
from loadtests.records.replays import Replays
from loadtests.records.schema import Cell, Validity
from loadtests.report import (
    answer,
    calibration,
    capacity,
    charted,
    claims,
    clocks,
    doubts,
    guide_table,
    links,
    palette,
    places,
    priced,
    quantity,
    replays,
    sentences,
    theirs,
    variants,
)
from loadtests.report.advise import advice, webpage
from loadtests.report.charted import Chart
from loadtests.report.charts import svg
from loadtests.report.condition import value_of
from loadtests.report.study import Study, study
from loadtests.report.templated import KEPT
from loadtests.report.verdicts import choices, guide
from loadtests.report.verdicts.catches import NO_BROWSER, browserless
from loadtests.report.verdicts.evidence import Evidence, gather

_NAME = "report.html"


def write(run_dir: Path, worked_out: Study | None = None) -> Path:
    """Write `report.html`, `advise.html` and `charts/*.svg` into the run folder; return the report's path.

    Raises `RunError`. The run is worked out here unless `worked_out` is at hand. `charted.CHARTS` says what is drawn.
    """
    worked_out = worked_out or study(run_dir)
    charts, in_the_field = charted.draw(worked_out), charted.draw_field(worked_out, run_dir)
    folder = run_dir / "charts"
    folder.mkdir(exist_ok=True)
    for chart in (*charts, *in_the_field):
        if chart.whole:
            (folder / f"{chart.slug}.svg").write_text(svg.standalone(chart.whole), encoding="utf-8")
    path, evidence = run_dir / _NAME, gather(worked_out, run_dir)
    page = render(worked_out, charts, evidence, in_the_field, replays.beside(run_dir))
    path.write_text(page, encoding="utf-8")
    advised = webpage.render(advice.basis_of(worked_out, evidence, run_dir))
    (run_dir / webpage.NAME).write_text(advised, encoding="utf-8")
    return path


def render(
    worked_out: Study,
    charts: tuple[Chart, ...],
    evidence: Evidence,
    in_the_field: tuple[Chart, ...] = (),
    replayed: Replays | None = None,
) -> str:
    """Return the page. Every value from the run is escaped; only our own drawings are not."""
    page = _environment(evidence.support, theirs.servers(worked_out.run)).get_template("page.html.j2")
    return _linked(
        page.render(
            run=worked_out.run,
            marks=guide_table.MARKS,
            share=quantity.share,
            calibration=calibration,
            variants=variants,
            capacity=capacity,
            replayed=replayed,
            replays=replays,
            priced=priced,
            light=Markup(palette.css_variables(dark=False)),  # noqa: S704  # our own constants
            dark=Markup(palette.css_variables(dark=True)),  # noqa: S704
            **_worked_out(worked_out),
            **_charted(charts, in_the_field),
            **_first_screen(evidence),
            **guide.context(evidence),
        )
    )


def _environment(facts: Facts | None, foreign: Collection[str]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=KEPT,
    )
    tag = Markup(' <em class="tag">{}</em>').format(NO_BROWSER)
    not_ours = Markup(' <em class="tag">{}</em>').format(theirs.THEIRS)
    environment.filters |= {
        "digits": quantity.digits,
        "about": answer.about,
        "value": value_of,
        "plain": claims.title,
        "title": lambda transport: (
            escape(claims.title(transport))
            + (tag if browserless(facts, transport) else not_ours if transport in foreign else "")
        ),
        "browserless": lambda slug: tag if browserless(facts, slug.partition("-")[2]) else "",
        "look": lambda transport: palette.look(transport).name,
        "interval": lambda estimate: quantity.span(estimate.low_ms, estimate.high_ms),
        "claimed": guide_table.claimed,
        "happened": guide_table.happened,
        "in_words": notes.in_words,
        "contrast": sentences.contrast,
        "shares": variants.shares,
    }
    return environment


def _worked_out(worked_out: Study) -> Mapping[str, object]:
    """Return what the run itself gives."""
    cells = worked_out.run.cells
    stacks, scaled = variants.stacks(worked_out), variants.scaled(worked_out)
    peers = theirs.peers(worked_out)
    return {
        "study": worked_out,
        "groups": guide_table.by_load(guide_table.of(worked_out)),
        "alarm": not worked_out.run.complete or Validity.INVALID in repeats.outcomes(cells).values(),
        "noted": sorted(filter(_noted, cells), key=lambda cell: cell.order),
        "doubts": doubts.doubts(cells),
        "state": sentences.state(worked_out),
        "residuals": links.residuals(worked_out),
        "slack_ms": links.SLACK_MS,
        "links": links.link_qualities(worked_out.run),
        "clocks": clocks.lines(worked_out.run),
        "five_hundred": sentences.five_hundred(worked_out),
        "stacks": stacks,
        "writes_note": variants.writes_note(stacks),
        "stack_sentence": " ".join(filter(None, (variants.stack_sentence(stacks), theirs.peers_sentence(peers)))),
        "peers": peers,
        "theirs": theirs.sentence(worked_out.run),
        "scaled": scaled,
        "scaled_sentence": variants.scaled_sentence(scaled),
        "quoted": [(name, claims.GUIDE_LATENCY_MS[name], *words) for name, words in claims.GUIDE_COLUMNS.items()],
    }


def _charted(charts: Iterable[Chart], in_the_field: tuple[Chart, ...]) -> Mapping[str, object]:
    """Return the charts by the part of the page that they stand in."""
    by_part: dict[str, list[Chart]] = {part: [] for part in ("answer", "guide", "costs", "field", "trust")}
    for chart in charts:
        by_part[chart.part].append(chart)
    return {"charts": by_part, "field": in_the_field}


def _first_screen(evidence: Evidence) -> Mapping[str, object]:
    """Return what the first screens say: the answer, which transport for which case, how far to believe it."""
    return {
        "lead": answer.lead(evidence),
        "beyond": answer.beyond(evidence),
        "lines": answer.lines(evidence),
        "line_rtt_ms": places.far_rtt_ms(evidence.shown),
        "trust": doubts.trust(evidence),
        "choices": choices.choices(evidence),
        "choices_summary": choices.summary(choices.choices(evidence)),
    }


def _linked(page: str) -> str:
    """Give each section's heading a mark that links to it."""
    mark = r'<h2 id="\1">\2 <a class="perma" href="#\1" aria-label="Link to this section">#</a></h2>'
    return re.sub(r'<h2 id="([\w-]+)">(.*?)</h2>', mark, page)


def _noted(cell: Cell) -> bool:
    return cell.verdict.validity is not Validity.VALID or bool(cell.errors)
