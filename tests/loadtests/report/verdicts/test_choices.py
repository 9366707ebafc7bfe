"""Which transport for which case: other data, another answer; every figure and catch comes from the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from loadtests.records.facts import Part, Share, Trait
from loadtests.report.bootstrap import Estimate
from loadtests.report.condition import Cost, Result
from loadtests.report.study import Study
from loadtests.report.verdicts.choices import NOT_KNOWN, Choice, choices, summary
from loadtests.report.verdicts.evidence import Browser, Evidence
from tests.loadtests.report.verdicts import made

_PARTS = tuple(
    Part(transport, "stock client", "users.py", 10, branches, 1)
    for transport, branches in (("websocket", 9), ("sse", 3), ("longpoll", 4), ("shortpoll", 2))
)
_CHROMIUM = {
    "h1_event_streams_held_at_once": 6,
    "h1_event_streams_tried": 30,
    "h2_event_streams_held_at_once": 30,
    "h2_event_streams_tried": 30,
    "websocket.lost_in_outage": 0,
    "sse.lost_in_outage": 0,
    "longpoll.lost_in_outage": 0,
}


@pytest.fixture(scope="module")
def evidence(worked_out: Study) -> Evidence:
    found = made.evidence(worked_out)
    assert found.complexity is not None
    counted = msgspec.structs.replace(found.complexity, others=_PARTS)
    return with_browser(replace(found, complexity=counted))


def with_browser(evidence: Evidence, **found: int) -> Evidence:
    run = made.browser_run(evidence.study.run, Browser("chromium", {**_CHROMIUM, **found}))
    return replace(evidence, browser_run=run)


def changed(evidence: Evidence, transport: str, change: Callable[[Result], Result]) -> Evidence:
    results = tuple(change(r) if r.condition.transport == transport else r for r in evidence.study.results)
    return replace(evidence, study=replace(evidence.study, results=results))


def with_cost(evidence: Evidence, transport: str, figure: str, value: float) -> Evidence:
    cost = Cost(value, value, value, 1)
    return changed(evidence, transport, lambda r: replace(r, costs=replace(r.costs, **{figure: cost})))


def with_memory(evidence: Evidence, transport: str, kib: float) -> Evidence:
    memory = {**evidence.study.memory, transport: Cost(kib, kib, kib, 1)}
    return replace(evidence, study=replace(evidence.study, memory=memory))


def with_latency(evidence: Evidence, transport: str, p50_ms: float, p99_ms: float) -> Evidence:
    p50, p99 = Estimate(p50_ms, p50_ms, p50_ms, 3), Estimate(p99_ms, p99_ms, p99_ms, 3)
    return changed(evidence, transport, lambda r: replace(r, p50=p50, p99=p99))


def without_wire(result: Result) -> Result:
    return replace(result, costs=replace(result.costs, ip_bytes_down=None, ip_bytes_up=None))


def answer(evidence: Evidence, slug: str) -> Choice:
    return next(choice for choice in choices(evidence) if choice.slug == slug)


def test_one_way_goes_to_the_cheapest_that_nobody_sees_come_late(evidence: Evidence) -> None:
    cheap = with_cost(evidence, "sse", "server_cpu_us", 10.0)
    assert answer(cheap, "one-way").transport == "sse"
    assert "10.0 µs" in answer(cheap, "one-way").because
    assert answer(with_cost(cheap, "websocket", "server_cpu_us", 5.0), "one-way").transport == "websocket"
    assert answer(with_latency(cheap, "sse", 40.0, 50.0), "one-way").transport != "sse"


def test_figures_of_different_loads_are_not_held_against_each_other(evidence: Evidence) -> None:
    """A transport that has only a lighter load left takes no part: its figures are of another kind."""
    cheap = with_cost(evidence, "sse", "server_cpu_us", 1.0)
    assert answer(cheap, "one-way").transport == "sse"
    lighter = changed(
        cheap, "sse", lambda r: replace(r, condition=replace(r.condition, load="1x1", subscribers=1, rate_per_s=1.0))
    )
    assert answer(lighter, "one-way").transport != "sse"


def test_between_those_that_cost_alike_memory_decides(evidence: Evidence) -> None:
    alike = with_cost(with_cost(evidence, "sse", "server_cpu_us", 10.5), "websocket", "server_cpu_us", 10.0)
    alike = with_memory(with_memory(alike, "sse", 12.0), "websocket", 23.0)
    assert answer(alike, "one-way").transport == "sse"
    assert "and as cheap as any, with the least memory: 10.5 µs" in answer(alike, "one-way").because
    assert "and the cheapest: 10.0 µs" in answer(with_memory(alike, "sse", 30.0), "one-way").because
    assert answer(with_memory(alike, "sse", 30.0), "one-way").transport == "websocket"


def test_a_transport_that_browsers_lack_takes_no_part(evidence: Evidence) -> None:
    cheap = with_cost(evidence, "sse", "server_cpu_us", 1.0)
    assert answer(cheap, "one-way").transport == "sse"
    gone = made.with_share(cheap, "eventsource", Share(1.0, 0.0, 99.0, 0.0))
    assert answer(gone, "one-way").transport != "sse"


def test_two_way_needs_a_connection_that_takes_both(evidence: Evidence) -> None:
    cheap = with_cost(evidence, "sse", "server_cpu_us", 1.0)
    assert answer(cheap, "two-way").transport == "websocket"
    assert cheap.traits is not None
    rows = (Trait("websocket", False, "refused", "passes"),)
    unable = replace(cheap, traits=msgspec.structs.replace(cheap.traits, rows=rows))
    assert answer(unable, "two-way").answer == NOT_KNOWN


def test_behind_a_proxy_that_blocks_streams_the_faster_poll_is_named_with_its_price(evidence: Evidence) -> None:
    assert answer(evidence, "blocked").transport == "longpoll"
    assert "times the processor time of" in answer(evidence, "blocked").catch
    assert answer(with_latency(evidence, "longpoll", 700.0, 900.0), "blocked").transport == "shortpoll"


def test_a_second_of_delay_goes_to_the_cheapest_in_time(evidence: Evidence) -> None:
    cheap = with_latency(with_cost(evidence, "shortpoll", "server_cpu_us", 1.0), "shortpoll", 50.0, 99.0)
    assert answer(cheap, "late").transport == "shortpoll"
    assert answer(with_latency(cheap, "shortpoll", 500.0, 1001.0), "late").transport != "shortpoll"
    dear = with_latency(with_cost(evidence, "shortpoll", "server_cpu_us", 1000.0), "shortpoll", 50.0, 99.0)
    assert "Short polling takes" in answer(dear, "late").because


def test_ease_goes_to_the_fewest_branches(evidence: Evidence) -> None:
    assert answer(evidence, "ease").transport == "shortpoll"
    assert answer(made.with_stock_client(evidence, "shortpoll", 99), "ease").transport == "sse"
    assert answer(replace(evidence, complexity=None), "ease").answer == NOT_KNOWN


@pytest.mark.parametrize(
    ("found", "transport"),
    [
        ({}, "sse-h2"),
        ({"h2_event_streams_held_at_once": 6}, "websocket"),
        ({"h1_event_streams_held_at_once": 30}, "sse"),
    ],
)
def test_many_tabs_follow_what_browsers_held(evidence: Evidence, found: dict[str, int], transport: str) -> None:
    assert answer(with_browser(evidence, **found), "tabs").transport == transport


def test_phones_get_fewest_bytes_of_those_that_lost_nothing(evidence: Evidence) -> None:
    light = evidence  # of an old run, which knows the payload alone
    for transport in ("websocket", "sse", "longpoll", "shortpoll"):
        light = changed(light, transport, without_wire)
    for transport, down in (("websocket", 200.0), ("sse", 250.0), ("longpoll", 300.0)):
        light = with_cost(with_cost(light, transport, "bytes_down", down), transport, "bytes_up", 10.0)
    assert answer(light, "mobile").transport == "websocket"
    assert answer(with_cost(light, "sse", "bytes_down", 150.0), "mobile").transport == "sse"
    assert answer(with_browser(light, **{"websocket.lost_in_outage": 3}), "mobile").transport == "sse"
    assert "10 s" in answer(light, "mobile").catch
    assert "Nothing was lost while Chromium was offline" in answer(light, "mobile").because
    firefox = Browser("firefox", light.browsers[0].found)
    both = replace(light, browser_run=made.browser_run(light.study.run, light.browsers[0], firefox))
    assert "Nothing was lost while Chromium and Firefox were offline" in answer(both, "mobile").because
    assert "least both ways together: 210 bytes of payload a delivery" in answer(light, "mobile").because
    assert answer(with_cost(light, "websocket", "bytes_up", 100.0), "mobile").transport == "sse"


def test_phones_are_judged_by_what_is_on_the_wire_where_a_run_counted_it(evidence: Evidence) -> None:
    found = evidence
    for transport, payload, wire in (("websocket", 200.0, 400.0), ("sse", 250.0, 300.0), ("longpoll", 500.0, 600.0)):
        for field, value in (("bytes_down", payload), ("bytes_up", 1.0), ("ip_bytes_down", wire), ("ip_bytes_up", 9.0)):
            found = with_cost(found, transport, field, value)
    assert answer(found, "mobile").transport == "sse"
    assert "309 bytes on the wire a delivery. Next: WebSocket, 409." in answer(found, "mobile").because


def test_a_catch_stands_only_where_it_was_found(evidence: Evidence) -> None:
    cheap = with_cost(evidence, "sse", "server_cpu_us", 1.0)
    assert "holds 6 streams" in answer(cheap, "one-way").catch
    assert "holds" not in answer(with_browser(cheap, h1_event_streams_held_at_once=30), "one-way").catch


def test_the_summary_names_each_answer_once_and_nothing_that_is_not_known(evidence: Evidence) -> None:
    said = summary(choices(evidence))
    assert said.startswith("Which to use: ")
    assert said.count("long polling for") == 1
    assert summary(choices(replace(evidence, study=replace(evidence.study, results=())))) == ""
