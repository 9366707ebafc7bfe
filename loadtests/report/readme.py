"""Write what the README and docs/report.md say of a run: sentence, chart, tables, what a terminal shows, a race.

    python -m loadtests.report.readme                  # of results/reference
    python -m loadtests.report.readme --run RUN_DIR --check

`--check` writes nothing and fails where a file differs from what it would write.
"""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from loadtests.records import race as races
from loadtests.records.errors import RunError
from loadtests.records.race import Race
from loadtests.report import answer, doubts, guide_table, places, sentences, terminal, theirs
from loadtests.report.answer import Line
from loadtests.report.charts import drawing, svg
from loadtests.report.charts.answer import answers
from loadtests.report.charts.race import animation, heading, slowed
from loadtests.report.claims import title
from loadtests.report.condition import Result
from loadtests.report.marked import filled
from loadtests.report.quantity import UNKNOWN, count, digits, listed, with_unit
from loadtests.report.study import study
from loadtests.report.verdicts import choices, guide
from loadtests.report.verdicts.catches import NO_BROWSER, browserless
from loadtests.report.verdicts.evidence import Evidence, gather

_ROOT = Path(__file__).parents[2]
BEGIN = "<!-- of a run, by `python -m loadtests.report.readme` -->"
BEGIN_RACE = (
    "<!-- of a race, by `python -m loadtests.evidence.browser.race` and `python -m loadtests.report.readme` -->"
)
BEGIN_PRINTED = "<!-- of what `rtlab report` prints of that run, by `python -m loadtests.report.readme` -->"
README, PAGE = Path("README.md"), Path("docs/report.md")
CHARTS: Mapping[svg.Theme, Path] = {"light": Path("docs/answer-light.svg"), "dark": Path("docs/answer-dark.svg")}
ANIMATIONS: Mapping[svg.Theme, Path] = {"light": Path("docs/race-light.svg"), "dark": Path("docs/race-dark.svg")}


def block(evidence: Evidence) -> str:
    """Return what stands in the README: the sentence, the chart, a table of five columns."""
    rtt_ms = places.far_rtt_ms(evidence.study)
    heads = (
        "transport",
        "guide",
        "measured here",
        f"{rtt_ms:g} ms round trip" if rtt_ms else "longer line",
        "use it for",
    )
    chosen = choices.choices(evidence)
    rows = [
        (_name(evidence, line.transport), _ms(line.guide_ms), _median(line.near), _median(line.far), _for(chosen, line))
        for line in answer.lines(evidence)
    ]
    return "\n\n".join((f"**{answer.lead(evidence)}**", _picture("docs/"), _table(heads, rows)))


def printed(evidence: Evidence) -> str:
    """Return how `rtlab report` begins: the sentences, the headings and the first two loads."""
    rows = guide_table.of(evidence.study)
    parts = terminal.table(rows, theirs.servers(evidence.study.run)).split("\n\n")
    return "\n\n".join((f"```text\n{terminal.sentences(evidence)}", *parts[:3])) + "\n```"


def page(evidence: Evidence) -> str:
    """Return the report as a page that GitHub shows: the answer, the cases, the guide's sentences, trust."""
    lines, judged = answer.lines(evidence), guide.judged(evidence)
    run = evidence.study.run
    costs = [
        (
            _name(evidence, line.transport),
            _median(line.near),
            _median(line.far),
            _beside(line),
            line.browsers or UNKNOWN,
            line.two_way,
            with_unit(line.cpu_us, "µs"),
            with_unit(line.kib, "KiB"),
            line.to_write or UNKNOWN,
        )
        for line in lines
    ]
    heads = (
        "transport",
        "here",
        "longer line",
        "guide",
        "browsers",
        "two-way",
        "CPU a delivery",
        "memory",
        "you write",
    )
    parts = (
        "# The guide's table, measured",
        answer.lead(evidence),
        doubts.trust(evidence),
        _picture(""),
        _table(heads, costs),
        answer.beyond(evidence),
        "## Which should I use?",
        _table(
            ("your case", "use", "because", "the catch"),
            [(c.case, f"**{c.answer}**", c.because, c.catch or UNKNOWN) for c in choices.choices(evidence)],
        ),
        "## The guide's sentences",
        guide.summary(judged),
        _table(
            ("the guide says", "what came out", "verdict"),
            [
                (one.claim.sentence, one.finding.measured, f"**{one.finding.ruling}** {one.finding.conditional}")
                for one in judged
            ],
        ),
        f"Run `{run.run_id}` of {run.started_utc}. The whole report, with intervals and every measurement, is "
        "`report.html` in `results/reference`; `rtlab report` writes it again.",
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def _name(evidence: Evidence, transport: str) -> str:
    return f"{title(transport)} ({NO_BROWSER})" if browserless(evidence.support, transport) else title(transport)


def _ms(value_ms: float | None) -> str:
    return UNKNOWN if value_ms is None else f"{value_ms:g} ms"


def _median(result: Result | None) -> str:
    return with_unit(result.p50.value_ms if result and result.p50 else None, "ms")


def _beside(line: Line) -> str:
    if line.guide_ms is None:
        return "not in it"
    return f"{line.decides.claim.short if line.decides else 'not measured'} ({digits(line.guide_ms)} ms)"


def _for(chosen: Iterable[choices.Choice], line: Line) -> str:
    return listed([choice.short for choice in chosen if choice.transport == line.transport]) or UNKNOWN


def race_block(race: Race) -> str:
    """Return what stands in the README of a race: the animation, and where and when it was raced."""
    raced = (
        f"Raced in {race.browser} on {count(race.cores, 'core')} on {race.started_utc[:10]}, commit {race.commit}; "
        f"slowed down {digits(slowed(race), 2)} times. `rtlab race` races in your browser."
    )
    return f"{_image('docs/', ANIMATIONS, _race_in_words(race))}\n\n{raced}"


def _race_in_words(race: Race) -> str:
    return f"{heading(race)}. {race.verdict}"


def _picture(folder: str) -> str:
    return _image(folder, CHARTS, "What the guide says beside what was measured, for each transport")


def _image(folder: str, by_theme: Mapping[svg.Theme, Path], words: str) -> str:
    light, dark = (f"{folder}{path.name}" for path in by_theme.values())
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{html.escape(words)}"></picture>'
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    shown = [heads, ["---"] * len(heads), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)


def _cell(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(escaped.split())


def files(root: Path, evidence: Evidence, race: Race | None = None) -> dict[Path, str]:
    """Return the content of every file that depends on the run, by its path. RunError where the README has no place."""
    parts = {BEGIN: block(evidence), BEGIN_PRINTED: printed(evidence)}
    if race is not None:
        parts[BEGIN_RACE] = race_block(race)
    text = (root / README).read_text(encoding="utf-8")
    for begin, part in parts.items():
        text = filled(README.name, text, begin, part)
    label = f"Measured, beside the guide. {sentences.answer(evidence.study)}"
    with drawing.house_style():
        figure = answers(evidence.study, drawing.WIDE)
        drawn = svg.drawn(figure, "answer").whole(label) if figure else ""
    moving = animation(race, _race_in_words(race)) if race else ""
    pictures = [(drawn, CHARTS), (moving, ANIMATIONS)]
    return {
        root / README: text,
        root / PAGE: page(evidence),
        **{
            root / path: svg.standalone(element, theme)
            for element, by_theme in pictures
            if element
            for theme, path in by_theme.items()
        },
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the files; 1 with a sentence on stderr where the run is at fault or, with `--check`, a file differs."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.report.readme", description=main.__doc__)
    parser.add_argument("--run", type=Path, default=_ROOT / "results" / "reference", metavar="RUN_DIR")
    parser.add_argument("--root", type=Path, default=_ROOT, help="where README.md and docs/ are")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    try:
        made = files(options.root, gather(study(options.run), options.run), races.load(options.run))
    except RunError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    differing = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in differing:
        if not options.check:
            path.write_text(made[path], encoding="utf-8")
        sys.stderr.write(f"{path.name}: {'differs' if options.check else 'written'}\n")
    return 1 if options.check and differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
