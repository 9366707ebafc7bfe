"""Each verdict follows from data: changed data change it, missing data leave it open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec
import pytest

from loadtests.records.facts import Share
from loadtests.records.middleboxes import SCHEMA, Middleboxes, Row, Seen
from loadtests.records.schema import Validity
from loadtests.report import claims
from loadtests.report.condition import Result
from loadtests.report.study import Study
from loadtests.report.verdicts.evidence import Browser, CutRun, Evidence, Finding, Ruling
from loadtests.report.verdicts.guide import CLAIMS
from tests.loadtests.report.verdicts import made

Change = Callable[[Evidence], Evidence]
TRUE, TRUE_IF, FALSE = Ruling.TRUE, Ruling.TRUE_IF, Ruling.FALSE
FAR = ("loopback", "rtt=50ms")


def _rule(slug: str, evidence: Evidence) -> Finding:
    return next(claim for claim in CLAIMS if claim.slug == slug).rule(evidence)


def _medians(transport: str, *medians_ms: float) -> Change:
    return lambda e: replace(e, study=made.with_medians(e.study, transport, medians_ms, FAR))


def _share(api: str, full: float, unknown: float = 0.0) -> Change:
    return lambda e: made.with_share(e, api, Share(full, 0.0, 100 - full - unknown, unknown))


def _branches(transport: str, number: int) -> Change:
    return lambda e: made.with_branches(e, transport, number)


def _stock_client(number: int) -> Change:
    return lambda e: made.with_stock_client(e, "socketio", number)


def _fault(scenario: str, measured: Mapping[str, float], *, passed: bool = True) -> Change:
    return lambda e: made.with_fault(e, scenario, measured, passed=passed)


def _foil(fault: str, foil_faulty: bool, ours_faulty: bool) -> Change:
    return lambda e: made.with_foil(e, fault, foil_faulty=foil_faulty, ours_faulty=ours_faulty)


def _silent(cut: int, beating_cut: int) -> Change:
    """Without a fault run: of two connections behind boxes, so many were cut silent, and with heartbeats."""
    seen = [
        Seen(
            joined=True,
            silent_asked=True,
            silent_cut_s=4.0 if n < cut else None,
            cut_s=4.0 if n < beating_cut else None,
        )
        for n in range(2)
    ]
    rows = tuple(
        Row(box="nginx", version="1", transport="sse", seen=each, verdict="passes", words="passes") for each in seen
    )
    boxes = Middleboxes(
        schema=SCHEMA, commit="abc", form="scaled", started_utc="2026-01-01T00:00:00+00:00", elapsed_s=1.0,
        heartbeat_s=1.0, timeout_s=4.0, rows=rows, missing=(),
    )  # fmt: skip
    return lambda e: replace(e, faults=None, middleboxes=boxes)


def _browser(**found: str | float | bool | None) -> Change:
    names = {name.replace("__", "."): value for name, value in found.items()}
    return lambda e: replace(e, browser_run=made.browser_run(e.study.run, Browser("chromium", names)))


def _duplex(able: bool) -> Change:
    rows = tuple(msgspec.structs.replace(row, duplex=able) for row in made.TRAITS.rows)
    return lambda e: replace(e, traits=msgspec.structs.replace(made.TRAITS, rows=rows))


def _results(change: Callable[[Result], Result]) -> Change:
    return lambda e: replace(e, study=replace(e.study, results=tuple(map(change, e.study.results))))


def _losing(result: Result) -> Result:
    used = tuple(
        msgspec.structs.replace(cell, counts=msgspec.structs.replace(cell.counts, received=cell.counts.expected - 1))
        for cell in result.used
        if cell.counts
    )
    return replace(result, used=used)


def _both(*changes: Change) -> Change:
    def change(evidence: Evidence) -> Evidence:
        for one in changes:
            evidence = one(evidence)
        return evidence

    return change


def _kept(cuts: CutRun) -> CutRun:
    return msgspec.structs.replace(cuts, results=tuple(msgspec.structs.replace(each, lost=0) for each in cuts.results))


TURNS: list[tuple[str, Change, Ruling]] = [
    ("latency-websocket", _medians("websocket", 1.0, 26.0), TRUE),
    ("latency-websocket", _medians("websocket", 1.0, 76.0), TRUE_IF),
    ("latency-websocket", _medians("websocket", 60.0, 76.0), FALSE),
    ("latency-sse", _medians("sse", 1.0, 26.0), FALSE),
    ("latency-sse", _medians("sse", 1.0, 101.0), TRUE_IF),
    ("latency-sse", _medians("sse", 90.0, 110.0), TRUE),
    ("latency-longpoll", _medians("longpoll", 2.0, 40.0), FALSE),
    ("latency-longpoll", _medians("longpoll", 480.0), TRUE),
    ("latency-h2push", _medians("h2push", 1.0), TRUE_IF),  # the browser refuses
    ("latency-h2push", _both(_medians("h2push", 1.0), _browser(h2push__enable_push=1)), TRUE),
    ("latency-h2push", _medians("h2push", 90.0), FALSE),
    ("support-websocket", _share("websocket", 99.0), TRUE),
    ("support-websocket", _share("websocket", 90.0), FALSE),
    ("support-websocket", _share("websocket", 90.0, 10.0), TRUE_IF),
    ("support-websocket", _both(_share("websocket", 99.0), _browser(api__websocket=False)), TRUE_IF),
    ("support-sse", _share("eventsource", 99.0), TRUE),
    ("support-sse", _share("eventsource", 50.0), FALSE),
    ("support-longpoll", _share("xhr", 99.9), TRUE),
    ("support-longpoll", _share("xhr", 99.0), FALSE),
    ("support-h2push", _share("h2push", 50.0), TRUE),
    ("support-h2push", _share("h2push", 1.0, 17.0), TRUE_IF),
    ("support-h2push", _share("h2push", 1.0), FALSE),
    ("complexity-websocket", _branches("websocket", 60), TRUE),
    ("complexity-websocket", _branches("websocket", 36), TRUE_IF),
    ("complexity-websocket", _branches("websocket", 10), FALSE),
    ("complexity-sse", _branches("sse", 30), TRUE),
    ("complexity-sse", _branches("sse", 70), TRUE_IF),
    ("complexity-sse", _branches("sse", 200), FALSE),
    ("complexity-longpoll", _branches("longpoll", 40), TRUE),
    ("complexity-longpoll", _branches("longpoll", 200), FALSE),
    ("complexity-h2push", _branches("h2push", 90), TRUE),
    ("complexity-h2push", _branches("h2push", 10), FALSE),
    ("full-duplex", _duplex(True), TRUE),
    ("full-duplex", _duplex(False), FALSE),
    ("request-response", _medians("longpoll", 2.0, 40.0), FALSE),
    ("request-response", _medians("longpoll", 2.0, 400.0), TRUE_IF),
    ("request-response", _medians("longpoll", 2.0, 1400.0), TRUE),
    ("request-response", _results(_losing), TRUE),
    ("one-server", lambda e: e, TRUE_IF),
    ("one-server", _results(_losing), TRUE),
    ("redis", lambda e: e, TRUE_IF),
    ("redis", _both(_fault("redis-client-kill", {"kills": 0}), lambda e: replace(e, foil=None)), TRUE),
    ("redis", _fault("order", {"lost": 1}), FALSE),
    ("redis", _fault("load", {}, passed=False), FALSE),
    ("disconnection", lambda e: e, TRUE),
    ("disconnection", lambda e: replace(e, cuts=_kept(made.CUTS)), FALSE),
    ("heartbeat", lambda e: e, TRUE),
    ("heartbeat", _fault("half-open", {"vanishing-websocket_left_after_s": 7.5}), FALSE),
    ("heartbeat", _fault("half-open", {"vanishing-sse_left_after_s": 9.0}), TRUE_IF),
    ("heartbeat", _fault("half-open", {"vanishing-websocket_left_after_s": -1.0}), FALSE),
    ("heartbeat", _silent(cut=2, beating_cut=1), TRUE),
    ("heartbeat", _silent(cut=1, beating_cut=1), FALSE),
    ("heartbeat", _silent(cut=1, beating_cut=2), FALSE),
    *(
        (slug, _foil(fault, foil_faulty, ours_faulty), verdict)
        for slug, fault in (
            ("habit-token", "any_user_id"),
            ("habit-origin", "foreign_origin"),
            ("habit-rate", "no_rate_limit"),
            ("habit-sanitise", "markup_relayed"),
        )
        for foil_faulty, ours_faulty, verdict in ((True, False, TRUE), (False, False, FALSE), (True, True, FALSE))
    ),
    ("ease", _branches("socketio", 40), TRUE),
    ("ease", _branches("socketio", 56), TRUE_IF),
    ("ease", _both(_branches("socketio", 40), _stock_client(9)), TRUE_IF),
    ("ease", _both(_branches("socketio", 60), _stock_client(10)), FALSE),
]


@pytest.mark.parametrize(("slug", "change", "verdict"), TURNS, ids=[f"{slug}-{v.name}" for slug, _, v in TURNS])
def test_changed_data_turn_the_verdict(worked_out: Study, slug: str, change: Change, verdict: Ruling) -> None:
    found = _rule(slug, change(made.evidence(worked_out)))
    assert found.ruling is verdict, found
    assert found.measured
    assert found.source
    assert verdict is not TRUE_IF or found.condition


def test_disconnection_says_what_was_lost_and_what_a_resume_kept(worked_out: Study) -> None:
    said = _rule("disconnection", made.evidence(worked_out)).measured
    assert "out for 0.6 of every 5.1 s" in said
    assert "lost 11.80 % of their messages, over WebSocket." in said
    assert said.endswith("over WebSocket: none was lost and none came twice.")


def test_every_sentence_has_a_test_that_turns_it() -> None:
    verdicts = {claim.slug: {verdict for slug, _, verdict in TURNS if slug == claim.slug} for claim in CLAIMS}
    assert all(len(found) > 1 for found in verdicts.values()), verdicts


def test_what_was_not_measured_is_not_judged(worked_out: Study) -> None:
    bare = Evidence(replace(worked_out, results=()))
    for claim in CLAIMS:
        found = claim.rule(bare)
        assert (claim.slug, found.ruling) == (claim.slug, Ruling.NOT_TESTED)
        assert found.measured
        assert not found.conditional


def test_invalid_measurements_decide_nothing(worked_out: Study) -> None:
    spoilt = _results(lambda result: replace(result, validity=Validity.INVALID))(made.evidence(worked_out))
    for slug in ("latency-websocket", "latency-longpoll", "request-response", "one-server"):
        assert _rule(slug, spoilt).ruling is Ruling.NOT_TESTED


def test_a_median_on_the_limit_is_not_testable(worked_out: Study) -> None:
    edge = made.with_medians(worked_out, "sse", [50.0])
    (result,) = (r for r in edge.results if r.condition.transport == "sse")
    assert result.p50 is not None
    wide = replace(result.p50, low_ms=40.0, high_ms=60.0)
    undecided = replace(result, p50=wide, claim=claims.judge("sse", wide, claims.GUIDE_LATENCY_MS))
    others = tuple(r for r in edge.results if r is not result)
    found = _rule("latency-sse", made.evidence(replace(edge, results=(*others, undecided))))
    assert found.ruling is Ruling.NOT_TESTABLE


def test_words_hold_the_figures_that_decided(worked_out: Study) -> None:
    evidence = _medians("sse", 1.25, 26.4)(made.evidence(worked_out))
    found = _rule("latency-sse", evidence)
    assert "1.25 ms on this machine itself and 26.4 ms over a line of 50 ms there and back" in found.measured
    assert "the line took 50 to 150 ms one way" in found.condition
    assert worked_out.run.run_id in found.source
    near = _rule("latency-sse", _medians("sse", 1.25)(evidence))
    assert "by the model, one of 50 ms there and back would make it 26.2 ms" in near.measured


def test_a_figure_that_holds_in_places_says_where(worked_out: Study) -> None:
    by_line = _rule("latency-websocket", _medians("websocket", 1.0, 76.0)(made.evidence(worked_out)))
    assert by_line.condition == "measured on this machine itself"
    mixed = made.with_medians(worked_out, "websocket", [1.0, 76.0])
    by_load = _rule("latency-websocket", made.evidence(mixed))
    assert by_load.condition == "measured on this machine itself with 20 receivers and 10 messages a second"


def test_the_500_ms_are_shown_to_be_short_polling(worked_out: Study) -> None:
    found = _rule("latency-longpoll", _medians("shortpoll", 501.0)(made.evidence(worked_out)))
    assert "500 ms is what asking every 1 s gives (measured here: 501 ms)" in found.condition
