"""Capacity in the report: each transport's bracket with its reason, and no section where none was searched."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.records.schema import Run
from loadtests.report import capacity
from loadtests.report.capacity import Bracket
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import page_of

FOUND = {
    "slo_p99_ms": 50.0,
    "slo_reach_percent": 99.9,
    "websocket.met_per_s": 160.0,
    "websocket.missed_per_s": 176.0,
    "websocket.against": "p99 is <73> ms",
    "websocket.told": True,
    "websocket.over": True,
    "websocket.steps": 9,
}


def test_the_report_shows_the_bracket_and_what_it_was_held_to(tmp_path: Path) -> None:
    run = synthetic.make_run(tmp_path, synthetic.TINY)
    settings = {**run.manifest["settings"], "server_cpu_percent": 20.0, "generators": 3, "generators_elsewhere": 1}
    searched = msgspec.structs.replace(run, manifest={**run.manifest, "capacity": FOUND, "settings": settings})
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(searched))
    page = page_of(tmp_path)
    assert '<h2 id="h-capacity">How much it carries' in page
    assert "p99 at most 50 ms, reach at least 99.9 %" in page
    assert "160 a second; at 176: p99 is &lt;73&gt; ms" in page
    assert "--server-cpu 20% --generators 2+1" in page
    assert capacity.render_text(run) == ""


@pytest.mark.parametrize(
    ("met", "missed", "server_missed", "over", "words"),
    [
        (160.0, 176.0, True, True, "160 a second; at 176: too slow"),
        (160.0, None, True, True, "at least 160 a second; no higher rate was tried"),
        (None, 10.0, True, True, "not even 10.0 a second: too slow"),
        (None, 10.0, False, True, "this machine can't tell what 10.0 would give: too slow"),
        (80.0, 160.0, False, True, "at least 80.0 a second; this machine can't tell what 160 would give: too slow"),
        (80.0, 160.0, True, False, "80.0 a second; at 160: too slow; the search was not over"),
        (None, None, True, False, "not known; the search was not over"),
    ],
)
def test_each_kind_of_bracket_is_said(
    met: float | None, missed: float | None, server_missed: bool, over: bool, words: str
) -> None:
    assert Bracket("sse", met, missed, "too slow", server_missed, over, 3).words == words


def test_who_gave_up_is_said_with_the_figures_that_show_it() -> None:
    found = Bracket("sse", 400, 420, "p99 is 90 ms", True, True, 9, "subscribers", "the server", "throttled 60 %")
    assert found.words == "400 subscribers; at 420: p99 is 90 ms (the server gave up: throttled 60 %)"
    found = Bracket("sse", 400, 420, "late", False, True, 9, "rooms", "", "throttled 0 %")
    assert found.words.startswith("at least 400 rooms; this machine can't tell what 420 would give: late")
    assert found.words.endswith("(who gave up is not clear: throttled 0 %)")


def test_a_run_without_a_search_has_no_brackets(tmp_path: Path) -> None:
    run: Run = synthetic.make_run(tmp_path, synthetic.TINY)
    assert capacity.brackets(run) == ()
