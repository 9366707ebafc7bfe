"""README and docs/report.md say what the committed run says, and turn round with the data."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from loadtests.records.race import Finish, Race, load
from loadtests.report import conclude, guide_table, marked, palette, readme
from loadtests.report.charts.race import animation
from loadtests.report.condition import Cost
from loadtests.report.study import Study, study
from loadtests.report.verdicts.evidence import REFERENCE, Evidence, gather
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.verdicts import made

ROOT = REFERENCE.parents[1]


@pytest.fixture(scope="module")
def worked_out(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, Plan(loads=(("20x10", 20, 10.0),), fan_out=(), blocks=1, measured_s=2.0))
    return study(folder)


def test_readme_and_page_are_what_the_committed_run_gives() -> None:
    evidence = gather(study(REFERENCE), REFERENCE)
    made_of_run = readme.files(ROOT, evidence, load(REFERENCE))
    assert [path.name for path, text in made_of_run.items() if path.read_text(encoding="utf-8") != text] == []
    shown = [line for line in readme.printed(evidence).splitlines() if line[0:1] in guide_table.MARKS.values()]
    assert len(shown) > 10
    assert all(" to " in line for line in shown), "each median has its interval within a terminal's width"


def _with_cpu(evidence: Evidence, transport: str, cpu_us: float) -> Evidence:
    cost = Cost(cpu_us, cpu_us, cpu_us, 1)
    results = tuple(
        replace(r, costs=replace(r.costs, server_cpu_us=cost)) if r.condition.transport == transport else r
        for r in evidence.study.results
    )
    return replace(evidence, study=replace(evidence.study, results=results))


def test_the_table_turns_round_with_the_data(worked_out: Study) -> None:
    evidence = made.evidence(worked_out)
    rows = {
        transport: next(line for line in readme.block(_with_cpu(evidence, transport, 1.0)).splitlines() if name in line)
        for transport, name in (("sse", "| Server-Sent Events |"), ("websocket", "| WebSocket |"))
    }
    assert all("server to browser" in row for row in rows.values())
    dear = readme.block(_with_cpu(evidence, "sse", 1000.0))
    assert "server to browser" not in next(line for line in dear.splitlines() if "| Server-Sent Events |" in line)
    assert "| Server-Sent Events | 100 ms |" in dear


def test_what_no_browser_takes_is_marked_in_readme_and_page(worked_out: Study) -> None:
    evidence = made.evidence(made.with_medians(worked_out, "h2push", [16.0]))
    assert "| HTTP/2 push (no current browser) |" in readme.block(evidence)
    assert "| HTTP/2 push (no current browser) |" in readme.page(evidence)


def test_a_table_has_one_width_and_no_markup_of_the_run(worked_out: Study) -> None:
    evil = "a | b <script>\n"
    evidence = made.evidence(worked_out)
    assert evidence.foil is not None
    shown = readme.page(made.with_foil(evidence, "any_user_id", foil_faulty=True, ours_faulty=False))
    assert readme._cell(evil) == "a \\| b &lt;script>"
    for table in (part for part in shown.split("\n\n") if part.startswith("|")):
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


RACE = Race(
    version=1,
    commit="abc1234",
    started_utc="2026-11-29T08:00:00+00:00",
    browser="Chromium 1",
    cores=2,
    one_way_ms=25,
    verdict="WebSocket is first: 52 ms. Then Short poll after 430 ms. Not here after 6 s: SSE & <co>.",
    finishes=(
        Finish("websocket", "WebSocket", 52.0, "1st: 52 ms"),
        Finish("shortpoll", "Short poll", 430.0, "2nd: 430 ms"),
        Finish("sse", "SSE & <co>", None, ""),
    ),
)


def test_an_animated_race_takes_each_lane_its_own_time_and_stands_still_on_request() -> None:
    text = animation(RACE, "a <label>")
    root = ET.fromstring(text)
    assert root.get("aria-label") == "a <label>"
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"WebSocket", "1st: 52 ms", "2nd: 430 ms", "SSE & <co>", "not here in time"} <= set(said)
    bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("class")]
    first, slowest, missing = (float(bar.attrib["width"]) for bar in bars)
    assert first / slowest == pytest.approx(52 / 430, rel=0.01)
    assert missing == slowest
    assert "prefers-reduced-motion:reduce){[class]{animation:none}}" in text
    assert len(text) < 20_000


def test_the_caption_of_a_race_turns_round_with_it() -> None:
    said = readme.race_block(RACE)
    assert "WebSocket is first: 52 ms." in said
    assert "Raced in Chromium 1 on 2 cores on 2026-11-29, commit abc1234" in said
    assert "3 ways, over a line of 50 ms there and back" in said
    assert "slowed down 9.3 times" in said
    faster = replace_race(finishes=RACE.finishes[:1], verdict="WebSocket ran alone: 52 ms.", one_way_ms=0)
    said = readme.race_block(faster)
    assert "1 way, on one machine" in said
    assert "slowed down 77 times" in said


def replace_race(**changes: object) -> Race:
    return msgspec.structs.replace(RACE, **changes)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("chart", ["answer", "race"])
def test_the_chart_is_there_in_each_theme_alone(chart: str, theme: str) -> None:
    text = (ROOT / f"docs/{chart}-{theme}.svg").read_text(encoding="utf-8")
    ET.fromstring(text)
    assert "prefers-color-scheme" not in text
    style = text[text.index("<style>") : text.index("</style>")]
    assert palette.INKS["paper"][theme == "dark"] in style
    assert palette.INKS["paper"][theme != "dark"] not in style


def test_a_readme_without_its_place_is_refused_and_a_difference_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, root = tmp_path / "run", tmp_path / "root"
    make_run(run, Plan(loads=(("20x10", 20, 10.0),), fan_out=(), blocks=1, measured_s=1.0))
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text("nothing", encoding="utf-8")
    arguments = ["--run", str(run), "--root", str(root)]
    assert readme.main(arguments) == 1
    assert "README.md must hold the lines" in capsys.readouterr().err
    (root / "README.md").write_text(
        f"a\n{readme.BEGIN}\n{marked.END}\n{readme.BEGIN_PRINTED}\n{marked.END}\nb\n", encoding="utf-8"
    )
    assert readme.main([*arguments, "--check"]) == 1
    assert readme.main(arguments) == 0
    assert readme.main([*arguments, "--check"]) == 0
    written = (root / "README.md").read_text(encoding="utf-8")
    assert written.startswith("a\n<!-- of a run")
    capsys.readouterr()
    conclude._print_table(run, study(run), wide=False)
    sample = written.partition("```text\n")[2].partition("\n```")[0]
    assert sample.count("\n") > 5
    assert capsys.readouterr().out.startswith(sample), "what a terminal shows"
