"""The claims in the report: all there, as text, whole on a phone and on a desk, in both themes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Browser, async_playwright

from loadtests.report import page, tables
from loadtests.report.quantity import UNKNOWN
from loadtests.report.study import Study
from loadtests.report.verdicts import guide
from loadtests.report.verdicts.evidence import REFERENCE, Evidence
from tests.loadtests.report.verdicts import made


class _Text(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _page(evidence: Evidence) -> str:
    return page.render(evidence.study, (), evidence)


def test_every_sentence_stands_there_with_verdict_and_source(worked_out: Study) -> None:
    evidence = made.evidence(worked_out)
    text = " ".join("".join(_Text(_page(evidence)).parts).split())
    for one in guide.judged(evidence):
        for part in (one.claim.sentence, str(one.finding.ruling), one.finding.measured, one.finding.source):
            assert " ".join(part.split()) in text
    assert guide.summary(guide.judged(evidence)) in text


def test_the_guides_own_server_is_shown_beside_ours(worked_out: Study) -> None:
    text = " ".join("".join(_Text(_page(made.evidence(worked_out))).parts).split())
    assert "5 of 5 faults showed" in text
    assert "Messages come twice ✗ came to harm ✓ stood" in text
    assert "h-foil" not in _page(Evidence(worked_out))


def test_the_summary_counts_every_verdict_once(worked_out: Study) -> None:
    said = guide.summary(guide.judged(Evidence(replace(worked_out, results=()))))
    assert said == "Of 23 sentences of the guide that can be tested: 23 not tested in this run."


def test_words_from_evidence_are_text_never_markup(worked_out: Study) -> None:
    evil = "<script>alert(1)</script>"
    rows = tuple(msgspec.structs.replace(row, foil=evil) for row in made.FOIL.rows)
    evidence = replace(made.evidence(worked_out), foil=msgspec.structs.replace(made.FOIL, rows=rows))
    parsed = _Text(_page(evidence))
    assert "script" not in parsed.tags
    assert evil in "".join(parsed.parts)


@pytest.mark.parametrize(("started", "old"), [("2026-12-01T00:00:00Z", False), ("2039-01-01T00:00:00Z", True)])
def test_facts_that_were_old_on_the_runs_day_are_called_old(worked_out: Study, started: str, old: bool) -> None:
    run = msgspec.structs.replace(worked_out.run, started_utc=started)
    note = guide.support_note(made.evidence(replace(worked_out, run=run)))
    assert ("days old" in note) is old
    assert "CC BY 4.0" in note


def test_frames_hold_the_same_words_as_the_page(worked_out: Study) -> None:
    evidence = made.evidence(worked_out)
    judged = guide.judged(evidence)
    assert list(tables.verdicts(judged)["verdict"]) == [str(one.finding.ruling) for one in judged]
    assert list(tables.reasons(judged)["source"]) == [one.finding.source for one in judged]
    size = f"{10 * made.BRANCHES['websocket']} lines with {made.BRANCHES['websocket']} branches (medium)"
    assert tables.columns(evidence).loc["Complexity", "WebSocket"] == size
    assert evidence.support is not None
    assert list(tables.support(evidence)["full"]) == [api.share.full for api in evidence.support.apis]
    assert tables.sources(Evidence(worked_out)).loc["foil.json", "which"] == UNKNOWN


@pytest.fixture(scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest.mark.parametrize("width", [1280, 1000, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_runs_over_and_nothing_complains(
    worked_out: Study, browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    file = tmp_path / "report.html"
    file.write_text(_page(made.evidence(worked_out)), encoding="utf-8")
    opened = await browser.new_page(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    await opened.goto(file.as_uri())
    await opened.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert await opened.evaluate("document.documentElement.scrollWidth") <= width
    beyond = """[...document.querySelectorAll(".across td, .claims td, .claims tbody th")]
        .filter(cell => cell.scrollWidth > cell.clientWidth + 1 || cell.getBoundingClientRect().right > innerWidth)
        .map(cell => cell.textContent)"""
    assert await opened.evaluate(beyond) == []
    assert complaints == []
    await opened.close()


@pytest.mark.parametrize("width", [1280, 1000, 800, 360])
async def test_no_card_of_the_committed_report_is_too_narrow_for_what_it_holds(browser: Browser, width: int) -> None:
    opened = await browser.new_page(viewport={"width": width, "height": 800})
    await opened.goto((REFERENCE / "report.html").as_uri())
    await opened.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    beyond = """[...document.querySelectorAll("section")]
        .filter(card => card.scrollWidth > card.clientWidth).map(card => card.querySelector("h2")?.textContent)"""
    assert await opened.evaluate(beyond) == []
    await opened.close()
