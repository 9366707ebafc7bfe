"""`rtlab browser`: the page's clients measured in an installed browser, and its figures checked on made-up answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.evidence.browser import findings, page
from loadtests.evidence.browser.command import Plan, installed, measure
from loadtests.evidence.browser.engines import ENGINES, Engine
from loadtests.evidence.browser.findings import Durations
from loadtests.evidence.browser.page import Latency
from loadtests.records import store
from loadtests.records.cell_spec import Load
from loadtests.records.errors import BrowserError, LabError
from loadtests.records.schema import ABSENT_NS, Phase, Validity
from loadtests.run import targets
from tests.conftest import missing

LOAD = Load(name="1x50", subscribers=1, rate_per_s=50.0)
BRIEF = Durations(patience=5.0, outage=0.5, hidden=2.0, flood=0.5, flood_per_s=400)


def answer(*, lost: int = 0, doubled: int = 0, late_ms: float = 0.1) -> Latency:
    """What the probe would say of 50 messages, one each 20 ms, of which the first ten are warm-up."""
    published = [(n, 1000.0 + 20 * n, 1000.0 + 20 * n + late_ms, 1001.5 + 20 * n, n + 3) for n in range(50)]
    received = [(n, scheduled + 2.5, offset) for n, scheduled, _, _, offset in published[: 50 - lost]]
    return Latency(
        connect_ms=7.0,
        received=received + received[-doubled:] if doubled else received,
        painted=[4.0] * 20,
        published=[(*row,) for row in published],
        measured_from=1200.0,
        measured_to=2000.0,
        reconnects=0,
        told_gaps=0,
    )


def test_stamps_become_nanoseconds_of_the_pages_clock() -> None:
    made = page.tables("c", answer(), 128)
    first = made["samples"].slice(0, 1).to_pylist()[0]
    assert first["user_rx_ns"] - first["scheduled_ns"] == 2_500_000
    assert first["kernel_rx_ns"] == ABSENT_NS
    assert first["phase"] == Phase.WARM_UP
    assert [made["publishes"]["phase"].to_pylist().count(phase) for phase in (Phase.WARM_UP, Phase.MEASURED)] == [
        10,
        40,
    ]


@pytest.mark.parametrize(
    ("given", "validity"),
    [
        (answer(), Validity.VALID),
        (answer(late_ms=5.1), Validity.DOUBTFUL),
        (answer(lost=1), Validity.INVALID),
        (answer(doubled=1), Validity.INVALID),
        (answer(lost=1, late_ms=5.1), Validity.INVALID),
    ],
)
def test_a_cell_is_judged_by_its_counts_and_its_schedule(given: Latency, validity: Validity) -> None:
    made = page.tables("c", given, 128)
    counted = page.count("c", given, made, LOAD)
    verdict = page.judge(counted, page.instrument(given))
    assert verdict.validity is validity
    assert bool(verdict.reasons) is (validity is not Validity.VALID)


def test_time_to_paint_is_said_only_of_enough_paints() -> None:
    given = answer()
    assert page.painting(given)["to_paint_ms_p50"] == 4.0
    few = Latency(given.connect_ms, given.received, [4.0] * 19, given.published, 0, 1, 0, 0)
    assert page.painting(few) == {}


def test_a_browser_that_is_not_there_is_named() -> None:
    with pytest.raises(LabError, match="unknown browser 'netscape'; there are: chromium, firefox"):
        installed("netscape")
    absent = replace(ENGINES[0], programs=("no-such-browser",))
    with pytest.raises(BrowserError, match="chromium is not installed; looked for no-such-browser"):
        absent.version()


def test_a_browser_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    broken = replace(ENGINES[0], programs=("false",), arguments=())
    with pytest.raises(BrowserError, match="ended at once"), broken.started(tmp_path / "log"):
        pass


def engines() -> list[Engine]:
    found = [engine for engine in ENGINES if engine.program() is not None]
    if not found:
        missing("chromium")
    return found


def test_a_run_holds_browser_and_synthetic_cells_and_a_report(tmp_path: Path) -> None:
    measured = engines()[:1]
    plan = Plan(
        engines=measured,
        seed=1,
        runs_folder=tmp_path,
        blocks=1,
        warm_up_s=0.2,
        measured_s=1.0,
        lanes=("websocket", "sse-fetch"),
        durations=BRIEF,
        synthetic=targets.select(["websocket", "h2push"]),
    )
    code = measure(plan)
    assert code in (0, 4)  # a busy machine may make a cell invalid, which is for the verdict to say
    (folder,) = store.listed(tmp_path)
    run = store.load(folder)
    assert run.complete
    name = measured[0].name
    by_transport = {cell.transport: cell for cell in run.cells}
    assert {f"{name}-websocket", f"{name}-sse-fetch", "websocket", "h2push"} == set(by_transport)
    for lane in ("websocket", "sse-fetch"):
        counts = by_transport[f"{name}-{lane}"].counts
        assert counts is not None
        assert (counts.published, counts.lost, counts.duplicates, counts.out_of_order) == (50, 0, 0, 0)
    assert f"{name}-websocket" in (folder / "report.html").read_text()
    found = run.manifest[f"browser_{name}"]
    assert "failed" not in found
    assert found["event_streams_held_at_once"] == 6
    # HTTP/1.1: six connections, and whatever is asked for beside them waits. HTTP/2: one carries it all.
    names = ("tried", "held_at_once", "connections", "protocol")
    assert [found[f"h1_event_streams_{name}"] for name in names] == [30, 6, 6, ""]
    assert found["h1_event_streams_fetch_beside_ms"] is None
    # Chromium opens a second connection, which it may not need, where the first takes 250 ms: on a busy machine.
    several = [found[f"h2_event_streams_{name}"] for name in names]
    assert several in ([30, 30, 1, "h2"], [30, 30, 2, "h2"])
    assert isinstance(found["h2_event_streams_fetch_beside_ms"], float)
    assert (found["h2push.status"], found["h2push.enable_push"]) == (400, 0)
    assert found["hidden_tab.visibility"] == "hidden"
    assert found["hidden_tab.received"] == found["hidden_tab.sent"] == 20
    assert found["hidden_tab.timer_got_ms"] > found["hidden_tab.timer_asked_ms"]  # type: ignore[operator]
    for lane in findings.LANES:
        assert (found[f"{lane}.lost_in_outage"], found[f"{lane}.doubled_in_outage"]) == (0, 0)
        assert found[f"{lane}.flood_received"] == found[f"{lane}.flood_sent"] == 200
