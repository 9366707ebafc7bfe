"""Each rule of the ranking decides: other figures, another order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import pytest

from loadtests.records import prices
from loadtests.records.errors import UsageError
from loadtests.records.prices import Egress, Machine
from loadtests.report.advise.advice import Advice, Basis, advise
from loadtests.report.advise.case import APP, BOTH, Case
from loadtests.report.advise.figure import MEASURED, PUBLISHED, Figure
from loadtests.report.advise.ranking import ranked
from loadtests.report.verdicts.evidence import Evidence
from tests.loadtests.report.advise import planted
from tests.loadtests.report.advise.planted import TRUTHS, Truth

TODAY = date(2026, 11, 29)
CASE = Case(rate_per_s=5.0, payload_bytes=300, subscribers=20_000, rooms=400)
US = prices.find("us-large")


def answered(found: Basis, **changes: Any) -> Advice:
    return advise(msgspec.structs.replace(CASE, **changes), US, found, TODAY)


def order(advice: Advice) -> list[str]:
    return [each.option.transport for each in advice.ranked]


def out(advice: Advice) -> dict[str, str]:
    return {option.transport: option.out for option in advice.out}


def test_the_cheapest_in_time_is_first(found: Basis) -> None:
    advice = answered(found)
    assert order(advice) == ["websocket", "sse", "longpoll"]
    assert advice.ranked[0].because == "the cheapest that is in time"
    assert "ms after the fastest's" in out(advice)["shortpoll"]


def test_another_frame_is_another_order(evidence: Evidence) -> None:
    heavy = {**TRUTHS, "websocket": replace(TRUTHS["websocket"], frame_bytes=400.0)}
    assert order(answered(planted.basis(evidence, heavy)))[0] == "sse"


def test_what_is_carried_by_no_number_of_processes_is_said(found: Basis) -> None:
    many = answered(found, subscribers=100_000_000, rooms=1_000_000, rate_per_s=900.0)
    assert out(many)["websocket"] == "it needs more than 100,000 processes"
    flood = answered(found, rate_per_s=9000.0, rooms=1)
    assert out(flood)["websocket"] == "one room alone is more than 100,000 processes carry"


def test_what_nobody_sees_to_be_later_is_in_time_and_what_is_seen_is_not(evidence: Evidence) -> None:
    for stack_ms, first in ((16.0, "websocket"), (18.0, "sse")):
        slow = {**TRUTHS, "websocket": replace(TRUTHS["websocket"], stack_ms=stack_ms)}
        assert order(answered(planted.basis(evidence, slow)))[0] == first


def test_a_budget_lets_the_late_take_part_and_can_shut_all_out(found: Basis) -> None:
    assert order(answered(found, rate_per_s=20.0, link="loopback", within_ms=1100.0))[0] == "shortpoll"
    assert "shortpoll" in out(answered(found, rate_per_s=20.0, link="loopback", within_ms=900.0))
    none = answered(found, within_ms=1.0)
    assert order(none) == []
    assert set(out(none)) == set(TRUTHS)


def test_a_budget_takes_no_lower_bound_beyond_it_for_kept(found: Basis) -> None:
    lossy = answered(found, link="rtt=80ms,loss=1%", within_ms=100.0)
    assert out(lossy)["websocket"].startswith("p99 >= ")
    enough = answered(found, link="rtt=80ms,loss=1%", within_ms=2000.0)
    assert order(enough) == []
    assert out(enough)["websocket"].startswith("only a lower bound of its p99 is known: >= ")


def test_among_equals_that_cost_alike_the_two_way_one_is_first(evidence: Evidence) -> None:
    alike = {**TRUTHS, "sse": replace(TRUTHS["websocket"], frame_bytes=125.0)}
    found = planted.basis(evidence, alike)
    assert order(answered(found))[0] == "sse"
    both = answered(found, direction=BOTH)
    assert order(both)[0] == "websocket"
    assert both.ranked[0].because == "within a tenth of the cheapest, and it sends on the connection it receives on"
    assert both.ranked[1].because == "within a tenth of the cheapest"


def test_among_equals_what_is_known_better_is_first(found: Basis) -> None:
    options = [each.option for each in answered(found).ranked[:2]]
    first, second = options
    assert first.bill is not None
    assert second.bill is not None
    guess = replace(first, bill=replace(first.bill, how=PUBLISHED))
    sure = replace(second, bill=replace(first.bill, how=MEASURED, egress=first.bill.egress * 1.05))
    assert [each.option.transport for each in ranked(CASE, [guess, sure])[0]] == ["sse", "websocket"]
    dear = replace(sure, bill=replace(first.bill, how=MEASURED, egress=first.bill.egress * 1.5))
    assert [each.option.transport for each in ranked(CASE, [guess, dear])[0]] == ["websocket", "sse"]


def test_what_costs_something_beside_nothing_is_no_multiple_of_it(found: Basis) -> None:
    free = msgspec.structs.replace(
        US, machine=Machine(vcpus=8, memory_gib=32, per_month=0.0), egress=Egress(per_gb=0.01, included_gb=20_000.0)
    )
    advice = advise(msgspec.structs.replace(CASE, subscribers=3_000, rooms=60), free, found, TODAY)
    assert [each.because for each in advice.ranked[:2]] == [
        "the cheapest that is in time",
        "the cheapest costs nothing",
    ]


def test_browsers_take_what_they_have_and_apps_take_anything(evidence: Evidence) -> None:
    found = planted.basis(evidence, {**TRUTHS, "h2push": Truth(frame_bytes=10.0)})
    assert "% of usage (published: " in out(answered(found))["h2push"]
    assert order(answered(found, clients=(APP,)))[0] == "h2push"


def test_without_a_figure_there_is_no_place(evidence: Evidence) -> None:
    idle = [point for point in planted.points("sse", TRUTHS["sse"]) if point.memory_kib is None]
    found = planted.basis(evidence, {"websocket": TRUTHS["websocket"]}, idle)
    assert out(answered(found))["sse"] == "its memory was not measured"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"payload_bytes": 5000}, "no model holds for a payload of 5000 B"),
        ({"link": "rtt=80ms,loss=20%"}, "no model holds for a loss of 20 %"),
        ({"link": "rtt=80ms,rate=100kbit"}, "a subscriber needs 12% of a link's 0.1 Mbit/s"),
    ],
)
def test_where_no_model_holds_advice_is_refused_unless_extrapolated(
    found: Basis, changes: dict[str, Any], words: str
) -> None:
    case = msgspec.structs.replace(CASE, **changes)
    with pytest.raises(UsageError, match=words):
        advise(case, US, found, TODAY)
    advice = advise(case, US, found, TODAY, extrapolate=True)
    best = advice.ranked[0].option
    figures = (best.p50_ms, best.p99_ms, best.wire_bytes, best.cpu_us, best.capacity_per_s)
    assert all(isinstance(each, Figure) and each.known == "extrapolated" for each in figures)
    assert any(words in note for note in advice.notes)


def test_a_link_that_cannot_carry_it_is_refused_whatever_is_asked(found: Basis) -> None:
    case = msgspec.structs.replace(CASE, link="rtt=80ms,rate=10kbit")
    with pytest.raises(UsageError, match="its subscriber needs"):
        advise(case, US, found, TODAY, extrapolate=True)


def test_each_transport_must_fit_the_link_with_its_headers(found: Basis) -> None:
    case = msgspec.structs.replace(CASE, payload_bytes=1, link="rtt=80ms,rate=100kbit")
    refused = out(advise(case, US, found, TODAY))  # 183 B of WebSocket are 7 %
    assert "needs 20% of a link's 0.1 Mbit/s" in refused["longpoll"]
    assert "websocket" in order(advise(case, US, found, TODAY))
    busy = msgspec.structs.replace(case, rate_per_s=68.0)
    assert "its subscriber needs 0.1" in out(advise(busy, US, found, TODAY, extrapolate=True))["sse"]
    assert order(advise(busy, US, found, TODAY, extrapolate=True)) == ["websocket"]


def test_a_link_that_is_far_from_full_is_no_matter(found: Basis) -> None:
    assert order(answered(found, link="rtt=50ms,rate=20mbit")) == order(answered(found, link="rtt=50ms"))


def test_a_run_without_loads_is_refused(evidence: Evidence) -> None:
    with pytest.raises(UsageError, match="measured no load"):
        advise(CASE, US, Basis("some-run", {}, evidence, None), TODAY)


def test_old_prices_are_said(found: Basis) -> None:
    assert advise(CASE, US, found, TODAY).notes == ()
    assert "more than a year" in advise(CASE, US, found, date(2028, 1, 1)).notes[0]


def test_a_service_needs_no_machine(found: Basis) -> None:
    best = advise(CASE, prices.find("service-messages"), found, TODAY).ranked[0].option
    assert best.size is None
    assert best.bill is not None
    assert best.bill.messages > best.bill.egress
