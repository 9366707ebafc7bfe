"""The first screen: its sentences and lines say what the data say, and turn round with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.records import facts
from loadtests.records.facts import Share
from loadtests.records.schema import Validity
from loadtests.report import answer, claims, places
from loadtests.report.bootstrap import Estimate
from loadtests.report.quantity import AtLeast
from loadtests.report.study import Study, study
from loadtests.report.verdicts.evidence import Evidence
from tests.loadtests.report.synthetic import Plan, make_run
from tests.loadtests.report.verdicts import made


@pytest.fixture(scope="module")
def worked_out(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, Plan(loads=(("20x10", 20, 10.0),), fan_out=(), blocks=1))
    return study(folder)


def with_medians(worked_out: Study, **medians_ms: float) -> Evidence:
    """Return the evidence with exact medians under the one load; a transport that was not measured is added."""
    pattern, results = worked_out.results[0], {r.condition.transport: r for r in worked_out.results}
    for transport, ms in medians_ms.items():
        median = Estimate(ms, ms, ms, 3)
        here = results.get(transport, replace(pattern, condition=replace(pattern.condition, transport=transport)))
        results[transport] = replace(here, p50=median, claim=claims.judge(transport, median, worked_out.guide))
    return made.evidence(replace(worked_out, results=tuple(results.values())))


def test_those_that_take_about_as_long_are_said_in_one_breath_beside_the_guide(worked_out: Study) -> None:
    said = answer.lead(with_medians(worked_out, websocket=1.36, sse=1.65, longpoll=1.34))
    assert said.startswith(
        "On this machine WebSocket, Server-Sent Events and long polling all deliver in about 2 ms; "
        "the guide says 0, 100 and 500."
    )


def test_who_takes_much_longer_has_a_sentence_of_his_own(worked_out: Study) -> None:
    said = answer.lead(with_medians(worked_out, websocket=1.4, sse=120.0, longpoll=1.3))
    assert "WebSocket and long polling both deliver in about 1 ms; the guide says 0 and 500." in said
    assert "Server-Sent Events takes about 120 ms; the guide says 100." in said


def test_what_no_browser_takes_is_said_to_be_so_only_while_none_does(worked_out: Study) -> None:
    evidence = with_medians(worked_out, websocket=1.0, h2push=16.0)
    assert "HTTP/2 push (no current browser takes it) takes about 16 ms; the guide says 0." in answer.lead(evidence)
    taken = made.with_share(evidence, "h2push", Share(97.0, 0.0, 3.0, 0.0))
    assert "no current browser" not in answer.lead(taken)
    assert next(line for line in answer.lines(evidence) if line.transport == "h2push").browsers == "none"
    assert next(line for line in answer.lines(taken) if line.transport == "h2push").browsers == "all"


def test_a_bound_is_said_as_a_bound(worked_out: Study) -> None:
    frozen = with_medians(worked_out, websocket=1.0)
    bound = Estimate(AtLeast(3000.0), AtLeast(3000.0), AtLeast(3000.0), 3)
    results = tuple(replace(r, p50=bound) if r.condition.transport == "sse" else r for r in frozen.study.results)
    said = answer.lead(replace(frozen, study=replace(frozen.study, results=results)))
    assert "Server-Sent Events takes more than 3,000 ms; the guide says 100." in said


def test_what_is_invalid_is_not_said(worked_out: Study) -> None:
    evidence = with_medians(worked_out, websocket=1.0, sse=1.0)
    results = tuple(
        replace(r, validity=Validity.INVALID) if r.condition.transport == "sse" else r for r in evidence.study.results
    )
    said = answer.lead(replace(evidence, study=replace(evidence.study, results=results)))
    assert said.endswith(
        "Measured, but not usable under this load: Server-Sent Events. Not measured here: HTTP/2 push."
    )
    lighter = tuple(
        replace(r, condition=replace(r.condition, load="5x1", subscribers=5)) if r.condition.transport == "sse" else r
        for r in evidence.study.results
    )
    said = answer.lead(replace(evidence, study=replace(evidence.study, results=lighter)))
    assert "Measured, but not under this load: Server-Sent Events." in said


def test_medians_that_are_all_bounds_are_said_as_bounds(worked_out: Study) -> None:
    bound = Estimate(AtLeast(3000.0), AtLeast(3000.0), AtLeast(3000.0), 3)
    results = tuple(replace(r, p50=bound) for r in worked_out.results)
    said = answer.lead(made.evidence(replace(worked_out, results=results)))
    assert said.startswith("On this machine WebSocket delivers in more than 3,000 ms; the guide says 0.")
    assert "Long polling takes more than 3,000 ms" in said


def test_the_guides_figure_for_another_is_pointed_out_only_where_it_fits(worked_out: Study) -> None:
    assert "(the guide's figure for long polling)" in answer.beyond(with_medians(worked_out, shortpoll=500.0))
    assert "figure for" not in answer.beyond(with_medians(worked_out, shortpoll=250.0))


def test_over_the_line_the_slower_ones_are_named_apart(worked_out: Study) -> None:
    found = worked_out
    for transport, far_ms in (("websocket", 25.6), ("sse", 25.8), ("longpoll", 70.0), ("shortpoll", 540.0)):
        found = made.with_medians(found, transport, [1.0, far_ms], links=("loopback", "rtt=50ms"))
    said = answer.beyond(made.evidence(found))
    assert (
        "Over a line of 50 ms there and back WebSocket and Server-Sent Events take about 26 ms; "
        "long polling 70 ms and short polling 540 ms." in said
    )
    assert places.far_rtt_ms(found) == 50.0
    assert places.far_rtt_ms(worked_out) is None


def test_a_run_over_a_link_alone_does_not_speak_of_this_machine(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(loads=(("20x10", 20, 10.0),), fan_out=(), blocks=1, link="rtt=20ms"))
    said = answer.lead(made.evidence(study(tmp_path)))
    assert said.startswith("Over the line rtt=20ms ")


def test_a_run_of_other_transports_says_what_they_took(worked_out: Study) -> None:
    results = tuple(
        replace(r, condition=replace(r.condition, transport=f"chromium-{r.condition.transport}"))
        for r in worked_out.results
    )
    said = answer.lead(Evidence(replace(worked_out, results=results), support=facts.load()))
    assert said.startswith("On this machine half of all messages came within: chromium-websocket")
    nothing = Evidence(replace(worked_out, results=()))
    assert "no latency" in answer.lead(nothing)
    assert answer.beyond(nothing) == ""


def test_lines_hold_what_is_known_of_each_transport(worked_out: Study) -> None:
    lines = {line.transport: line for line in answer.lines(made.evidence(worked_out))}
    assert list(lines) == ["websocket", "sse", "longpoll", "shortpoll"]
    assert (lines["websocket"].two_way, lines["sse"].two_way) == ("yes", "no")
    assert lines["sse"].guide_ms == 100.0
    assert lines["shortpoll"].guide_ms is None
    assert lines["sse"].kib == worked_out.memory["sse"].value


@pytest.mark.parametrize(("ms", "said"), [(0.43, "0.4"), (1.65, "2"), (9.4, "9"), (9.6, "9.6"), (25.9, "26")])
def test_latencies_are_said_as_people_say_them(ms: float, said: str) -> None:
    assert answer.about(ms) == said
