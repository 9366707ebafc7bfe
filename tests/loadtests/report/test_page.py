"""The report: one safe file, whatever the run holds; invalid is hollow; charts stay on their page."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from loadtests.report import charted, palette, replays, sentences, shown
from loadtests.report import page as report
from loadtests.report.charts import svg
from loadtests.report.charts.costs import costs
from loadtests.report.charts.drawing import WIDE, house_style
from loadtests.report.charts.latency import latency_by_fan_out, latency_ecdf
from loadtests.report.study import Study, study
from loadtests.report.verdicts.evidence import REFERENCE
from tests.loadtests.report.pages import draw_only, page_of
from tests.loadtests.report.synthetic import TRUTHS, Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth

LOADS = (("20x10", 20, 10.0), ("40x10", 40, 10.0))
SMALL = Plan(loads=LOADS, fan_out=(("10x10", 10, 10.0),), blocks=2)
EVIL = "<script>alert('x')</script>$\\frac{1}{2}$&amp;"


class _Page(HTMLParser):
    """Collect what a browser would load or run, ids, and tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset") and value:
                self.loads.append(value)
            if name == "id" and value:
                self.ids.append(value)
            assert not name.startswith("on"), f"an event attribute: {name}={value}"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def worked_out(folder: Path) -> Study:
    return study(folder)


@pytest.fixture(scope="module")
def page(folder: Path, worked_out: Study) -> str:
    return report.write(folder, worked_out).read_text(encoding="utf-8")


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    parsed = _Page(page)
    beside = {"results.json", "results.csv", "advise.html"}  # links to follow, of which nothing is loaded
    assert all(value.startswith(("#", "data:,")) for value in set(parsed.loads) - beside)
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(parsed.tags)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page
    addresses = {found.rstrip(".") for found in re.findall(r"https?://[^\"'\s<>)]+", page)}
    # The last is a word in a finding about the guide's server, and no link; likewise where replays have their figures.
    named = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://evil.example"}
    named |= {replayed.url for replayed in replays.made(REFERENCE)}
    assert addresses <= named


def test_ids_are_unique_and_every_reference_has_its_target(page: str) -> None:
    parsed = _Page(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page))
    referred |= {i for ids in re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', page) for i in ids.split()}
    assert referred <= set(parsed.ids)


def test_each_chart_is_drawn_once_and_labelled(page: str) -> None:
    """Pieces of a chart beside each other show parts of one drawing."""
    drawings = re.findall(r"<svg [^>]*>", page)
    labelled = [drawing for drawing in drawings if 'role="img" aria-label="' in drawing]
    assert len(labelled) == 9
    assert all('aria-hidden="true"' in drawing for drawing in drawings if drawing not in labelled)
    assert page.count("<use href=") >= len(drawings) - len(labelled) > 0


def test_a_mark_has_its_figures_as_title(page: str) -> None:
    assert re.search(r"<title>WebSocket: p50 [\d.]+ ms \[[\d.]+ to [\d.]+\]</title>", page)
    assert "<title>Server-Sent Events: the guide says 100 ms</title>" in page


def test_each_section_has_a_mark_that_links_to_it(page: str) -> None:
    ids = re.findall(r'<h2 id="([^"]+)">', page)
    assert len(ids) > 8
    assert all(f'<a class="perma" href="#{i}"' in page for i in ids)


def test_sections_stand_in_the_order_in_which_they_are_asked_for(page: str) -> None:
    order = ["answer", "h-choices", "h-table", "h-claims", "h-columns", "h-costs", "h-validity", "h-manifest"]
    places = [page.index(f'id="{i}"') for i in order]
    assert places == sorted(places)
    assert page.index('class="headline"') < places[0]


def test_what_only_experts_read_is_folded(page: str) -> None:
    for summary in ("Every difference", "Every percentile", "Every residual", "Versions, host, settings"):
        assert f"<details><summary>{summary}</summary>" in page


def test_headings_descend_without_a_gap(page: str) -> None:
    levels = [int(tag[1]) for tag in _Page(page).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_the_same_run_gives_the_same_bytes(folder: Path, page: str) -> None:
    assert report.write(folder).read_text(encoding="utf-8") == page


@pytest.mark.usefixtures("page")
def test_charts_lie_beside_it_as_svg_files_with_both_themes(folder: Path) -> None:
    names = sorted(path.stem for path in (folder / "charts").glob("*.svg"))
    assert names == ["answer", "boxes", "costs", "cuts", "fan-out", "latency", "storm", "timeline", "tls"]
    for path in (folder / "charts").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        ET.fromstring(text)
        assert palette.INKS["paper"][1] in text


def test_names_and_reasons_are_text_never_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_only(monkeypatch, *(slug for slug, *_ in charted.CHARTS))
    plan = Plan(
        truths={"sse": TRUTHS["sse"], EVIL: Truth()},
        loads=LOADS[:1],
        fan_out=(),
        blocks=1,
        invalid={"0-sse-20x10": "<img src=x>"},
    )
    make_run(tmp_path, plan)
    parsed = _Page(report.write(tmp_path).read_text(encoding="utf-8"))
    assert not {"script", "img"} & set(parsed.tags)
    assert EVIL in "".join(parsed.text)
    assert "<img src=x>" in "".join(parsed.text)


def test_why_connections_were_cut_stands_on_the_row_and_with_the_cell(tmp_path: Path) -> None:
    cut = {"WS connection ended: <b>go</b> (4000)": 2}
    make_run(tmp_path, Plan(truths=dict(TRUTHS), loads=LOADS, fan_out=(), errors={"0-websocket-20x10": cut}))
    page = page_of(tmp_path)
    text = "2 x WS connection ended: &lt;b&gt;go&lt;/b&gt; (4000)"
    assert f'<small class="errors">{text}</small>' in page
    assert f"<b>0-websocket-20x10</b> is valid: {text}</li>" in page
    assert page.count(text) == 2


def test_an_incomplete_run_is_reported_as_such(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(loads=LOADS, fan_out=(), stop_after=11))
    text = page_of(tmp_path)
    assert "Incomplete: 11 of 28 planned cells (interrupted by Ctrl-C)" in text


def test_a_run_without_any_cell_still_has_its_report(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(stop_after=0))
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert "Incomplete: none of 36 planned cells" in text
    charts = re.findall(r'aria-label="([^".]+)', "".join(re.findall(r"<svg [^>]*>", text)))
    beside = [
        "What TLS adds",
        "A cable that is pulled",
        "A server that is killed, and a deploy",
        "What stands in the way",
    ]
    assert charts == beside, "runs of their own, beside the reference"


def test_user_stamps_are_announced(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(loads=LOADS, fan_out=(), blocks=1, kernel_stamps=False))
    assert "No kernel receive stamps" in page_of(tmp_path)


def test_the_500_ms_are_explained_with_this_runs_figures(page: str) -> None:
    assert "a mean of 500 ms is what short polling every 1 s gives" in page
    assert re.search(
        r"short polling every 1 s with 40 receivers and 10 messages a second: mean \d+ ms, against 500 ms", page
    )


@pytest.mark.parametrize("slug", ["answer", "latency", "fan-out", "costs", "timeline"])
@pytest.mark.usefixtures("page")
def test_charts_name_the_run_and_have_units(folder: Path, worked_out: Study, slug: str) -> None:
    text = (folder / "charts" / f"{slug}.svg").read_text(encoding="utf-8")
    assert worked_out.run.run_id in text
    assert re.search(r", ms|µs per|%", text)


def test_latency_charts_are_logarithmic_and_count_their_samples(worked_out: Study) -> None:
    with house_style():
        figure = latency_ecdf(worked_out, WIDE)
    assert figure is not None
    assert {axis.get_xscale() for axis in figure.axes} == {"log"}
    assert [axis.get_title(loc="left").rpartition("; ")[2] for axis in figure.axes] == ["n = 1,200", "n = 2,400"]


def _fill_styles(figure: Figure, colour: str) -> set[str]:
    marks = [line for axis in figure.axes for line in axis.get_lines() if isinstance(line, Line2D)]
    return {str(m.get_fillstyle()) for m in marks if m.get_marker() not in ("None", "|") and m.get_color() == colour}


def test_invalid_is_hollow_and_doubtful_half_full(tmp_path: Path) -> None:
    plan = Plan(
        loads=LOADS[:1],
        fan_out=(),
        blocks=2,
        invalid={"0-sse-20x10": "late", "1-sse-20x10": "late", "0-sse-idle-400": "late"},
        doubtful={"0-longpoll-20x10": "busy"},
    )
    make_run(tmp_path, plan)
    worked_out = study(tmp_path)
    with house_style():
        ecdf, bars = latency_ecdf(worked_out, WIDE), costs(worked_out, WIDE)
    assert ecdf is not None
    assert bars is not None
    styles = {name: _fill_styles(ecdf, palette.look(name).light) for name in ("websocket", "sse", "longpoll")}
    assert styles == {"websocket": {"full"}, "sse": {"none"}, "longpoll": {"left"}}
    for axis in bars.axes:
        faces = {palette.look(name).light: i for i, name in enumerate(("websocket", "sse"))}
        hollow = axis.patches[faces[palette.look("sse").light]]
        solid = axis.patches[faces[palette.look("websocket").light]]
        assert hollow.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
        assert solid.get_facecolor() != hollow.get_facecolor()


def test_a_single_room_size_makes_no_fan_out_chart(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(loads=LOADS[:1], fan_out=(), blocks=1))
    with house_style():
        assert latency_by_fan_out(study(tmp_path), WIDE) is None
    said = shown.picture(latency_by_fan_out, study(tmp_path), sentences.fan_out(study(tmp_path)))
    assert said.data == sentences.ONE_SIZE, "a notebook goes on with the sentence"


def test_a_million_points_make_no_large_drawing(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(loads=(("500x10", 500, 10.0),), fan_out=(), blocks=2, truths={"websocket": Truth()}))
    with house_style():
        figure = latency_ecdf(study(tmp_path), WIDE)
        assert figure is not None
        assert len(svg.svg(figure, "x", "label")) < 100_000


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", [*palette.LOOKS.values(), palette.OTHER])
def test_every_transport_stands_out_in_both_themes(look: palette.Look) -> None:
    light, dark = palette.INKS["paper"]
    assert _contrast(look.light, light) >= 3
    assert _contrast(look.dark, dark) >= 3


def test_transports_differ_in_colour_and_in_mark() -> None:
    looks = [*palette.LOOKS.values(), palette.OTHER]
    assert len({look.light for look in looks}) == len({look.marker for look in looks}) == len(looks)


def test_a_browsers_transport_keeps_its_colour_under_another_mark() -> None:
    plain, chromium, firefox = (palette.look(name) for name in ("sse", "chromium-sse", "firefox-sse"))
    assert plain.light == chromium.light == firefox.light
    assert len({plain.marker, chromium.marker, firefox.marker}) == 3
    assert palette.look("chromium-pigeon").light == palette.OTHER.light


def test_a_server_of_others_has_its_protocols_colour_and_a_mark_of_its_own() -> None:
    ours, short, long = (palette.look(name) for name in ("websocket", "npm-ws", "npm-websocket"))
    assert ours.light == short.light == long.light
    assert palette.look("npm-ws") == short
    marks = {palette.look(f"server{number}-ws").marker for number in range(50)}
    assert len(marks) > 1
    assert not marks & {look.marker for look in palette.LOOKS.values()}


def test_loads_that_only_their_names_tell_apart_have_groups_of_their_own(tmp_path: Path) -> None:
    truths = {"websocket": TRUTHS["websocket"]}
    loads = (("chat", 50, 10.0), ("echo", 50, 10.0), ("200x10", 200, 10.0))
    make_run(tmp_path, Plan(truths=truths, loads=loads, fan_out=(), blocks=1, measured_s=1.0))
    page = page_of(tmp_path)
    for heading in (
        "50 receivers, 10 messages/s (chat)<",
        "messages/s (echo)<",
        "200 receivers, 10 messages/s<",
    ):
        assert heading in page
