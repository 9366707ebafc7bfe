"""Every column is filled from evidence, and dashes stand where there is none."""

from __future__ import annotations

from dataclasses import replace

from loadtests.report.quantity import UNKNOWN
from loadtests.report.study import Study
from loadtests.report.verdicts import columns
from loadtests.report.verdicts.evidence import Browser, Evidence, LinkResult, Links
from tests.loadtests.report.verdicts import made


def _found(evidence: Evidence, name: str, transport: str) -> str:
    row = next(row for row in columns.properties(evidence) if row.name == name)
    return row.entries[columns.transports(evidence).index(transport)].found


def test_the_guides_transports_are_there_measured_or_not(worked_out: Study) -> None:
    assert columns.transports(made.evidence(worked_out)) == ("websocket", "sse", "longpoll", "shortpoll", "h2push")


def test_the_guides_words_stand_beside_what_was_found(worked_out: Study) -> None:
    rows = {row.name: row.entries for row in columns.properties(made.evidence(worked_out))}
    assert [entry.guide for entry in rows["Latency"]] == ["~0 ms", "~100 ms", "~500 ms", "", "~0 ms"]
    assert [entry.guide for entry in rows["Complexity"]] == ["medium", "low", "low", "", "medium"]
    assert not any(entry.guide for entry in rows["Bytes"])


def test_cells_say_what_the_evidence_says(worked_out: Study) -> None:
    browser = Browser(
        "chromium",
        {
            "sse.lost_in_outage": 0,
            "sse.resume_ms": 12.0,
            "h1_event_streams_held_at_once": 6,
            "h1_event_streams_tried": 30,
            "h1_event_streams_connections": 6,
            "h1_event_streams_fetch_beside_ms": None,
        },
    )
    evidence = replace(made.evidence(worked_out), browser_run=made.browser_run(worked_out.run, browser))
    assert _found(evidence, "Complexity", "sse") == "300 lines with 30 branches"
    assert _found(evidence, "Sending", "websocket") == "on the connection it receives on"
    assert _found(evidence, "Sending", "sse") == "a request on another connection"
    assert _found(evidence, "Through a proxy", "websocket") == "refused; passes once configured"
    assert _found(evidence, "Through a proxy", "sse") == "passes"
    assert _found(evidence, "After a cut", "sse") == "0 lost, back after 12.0 ms (Chromium)"
    assert _found(evidence, "Connections", "sse") == (
        "6 of 30 streams on 6 connections, and a request beside them waits (Chromium)"
    )
    assert _found(evidence, "Reconnecting", "sse") == "the browser"
    assert _found(evidence, "The proxy's settings", "sse") == "no buffering"
    assert _found(evidence, "Connections", "websocket") == UNKNOWN


def test_a_far_line_is_measured_or_said_to_be_by_the_model(worked_out: Study) -> None:
    near = replace(made.evidence(worked_out), study=made.with_medians(worked_out, "sse", [1.0]))
    assert _found(near, "Latency, far away", "sse") == "26.0 ms (by the model, 50 ms there and back)"
    study = made.with_medians(worked_out, "sse", [1.0, 25.7, 26.0], ["loopback", "rtt=50ms", "rtt=50ms,loss=2%"])
    far = replace(near, study=study)
    assert _found(far, "Latency, far away", "sse") == "25.7 ms (rtt=50ms)"
    assert _found(far, "A lost packet", "sse").endswith("(rtt=50ms,loss=2%)")


def test_lost_packets_come_from_the_link_run_where_the_run_has_none(worked_out: Study) -> None:
    beside = Links(
        "20260101T000000Z-links-abc1234",
        (
            LinkResult("sse", "rtt=50ms,loss=2%", "valid", 90.0),
            LinkResult("sse", "rtt=50ms", "valid", 26.0),
            LinkResult("websocket", "rtt=50ms,loss=2%", "invalid", 91.0),
        ),
    )
    evidence = replace(made.evidence(worked_out), links=beside)
    assert _found(evidence, "A lost packet", "sse") == "90.0 ms (rtt=50ms,loss=2%)"
    assert _found(evidence, "A lost packet", "websocket") == UNKNOWN


def test_without_evidence_there_are_dashes(worked_out: Study) -> None:
    bare = Evidence(replace(worked_out, results=(), memory={}))
    assert {entry.found for row in columns.properties(bare) for entry in row.entries} == {UNKNOWN}
