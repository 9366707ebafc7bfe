"""A month is the sum of its parts, each by the price file's own figure; another file turns the order of parts round."""

from __future__ import annotations

import msgspec
import pytest

from loadtests.records import prices
from loadtests.records.prices import Prices
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.bill import Bill, on_machines, on_service
from loadtests.report.advise.case import BOTH, Case
from loadtests.report.advise.figure import MODELLED, Figure
from loadtests.report.advise.sizing import Size, size
from loadtests.report.priced import marginal

CASE = Case(rate_per_s=5.0, payload_bytes=300, subscribers=20_000, rooms=400)
US, EU = prices.find("us-large"), prices.find("eu-small")
WIRE = Figure(480.0, 470.0, 500.0, MODELLED, "run")
MONTH_S = 730 * 3600


def sized(found: Basis, paid: Prices = US) -> Size:
    assert paid.machine is not None
    needed = size(found.costings["websocket"], CASE, paid.machine)
    assert needed is not None
    return needed


def test_the_parts_are_what_the_formula_says(found: Basis) -> None:
    needed = sized(found)
    bill = on_machines(CASE, needed, WIRE, 25.0, US, two_way=True)
    assert bill.egress == pytest.approx(20_000 * 5 * MONTH_S * 480 / 1e9 * 0.09)
    assert bill.idle_connections == pytest.approx(20_000 * MONTH_S / 25 * 68 / 1e9 * 0.09)
    assert bill.cpu == pytest.approx(needed.busy_us.value / 1e6 / 0.6 * 238.27 * 0.7 / 8)
    assert bill.memory == pytest.approx(needed.memory_gib / 0.8 * 238.27 * 0.3 / 32)
    assert bill.cpu + bill.memory + bill.unused == pytest.approx(needed.machines * 238.27)
    assert bill.per_million == pytest.approx(bill.total / (20_000 * 5 * MONTH_S) * 1e6)
    assert bill.low < bill.total < bill.high


def test_egress_costs_about_two_orders_more_than_the_processor(found: Basis) -> None:
    assert 50 < on_machines(CASE, sized(found), WIRE, 25.0, US, two_way=True).egress_over_cpu < 1000


def test_included_traffic_is_not_paid(found: Basis) -> None:
    small = msgspec.structs.replace(CASE, subscribers=100, rooms=2)
    needed = sized(found, EU)
    assert on_machines(small, needed, WIRE, 25.0, EU, two_way=True).egress == 0
    assert on_machines(CASE, needed, WIRE, 25.0, EU, two_way=True).egress > 0


def test_answers_to_posts_leave_too_and_acks_are_in_what_was_measured(found: Basis) -> None:
    both = msgspec.structs.replace(CASE, direction=BOTH)
    for case, answer_bytes in ((both, 202), (msgspec.structs.replace(both, tls=True), 224)):
        bills = [on_machines(case, sized(found), WIRE, 25.0, US, two_way=way) for way in (True, False)]
        acked, posted = (bill.egress for bill in bills)
        assert acked == pytest.approx(on_machines(CASE, sized(found), WIRE, 25.0, US, two_way=False).egress)
        assert posted - acked == pytest.approx(400 * 5 * answer_bytes * MONTH_S / 1e9 * 0.09)
    paid = prices.find("service-messages")
    assert on_service(both, WIRE, paid, two_way=False).egress > on_service(both, WIRE, paid, two_way=True).egress


def test_heartbeats_over_tls_are_longer_by_a_record(found: Basis) -> None:
    over = msgspec.structs.replace(CASE, tls=True)
    idle = on_machines(over, sized(found), WIRE, 25.0, US, two_way=True).idle_connections
    assert idle == pytest.approx(20_000 * MONTH_S / 25 * (68 + 22) / 1e9 * 0.09)


def test_a_service_asks_for_messages_and_minutes() -> None:
    paid = prices.find("service-messages")
    bill = on_service(CASE, WIRE, paid, two_way=True)
    messages = (20_000 * 5 + 400 * 5) * MONTH_S / 1e6
    assert bill.messages == pytest.approx(messages * 1.0)
    assert bill.idle_connections == pytest.approx(20_000 * 730 * 60 / 1e6 * 0.25)
    assert (bill.cpu, bill.memory, bill.unused) == (0, 0, 0)
    assert paid.service is not None
    assert on_service(msgspec.structs.replace(CASE, payload_bytes=33 * 1024), WIRE, paid, two_way=True).messages == (
        pytest.approx(2 * messages)
    )


def test_the_egress_price_decides_what_dominates(found: Basis) -> None:
    free = msgspec.structs.replace(US, egress=prices.Egress(per_gb=0.0))
    assert on_machines(CASE, sized(found), WIRE, 25.0, free, two_way=True).egress_over_cpu == 0


def test_a_million_more_is_processor_and_egress() -> None:
    expected = 10 * 1e6 / 1e6 / 0.6 / MONTH_S * 238.27 * 0.7 / 8 + 480e6 / 1e9 * 0.09
    assert marginal(10.0, 480.0, US) == pytest.approx(expected)
    assert marginal(10.0, 480.0, prices.find("service-messages")) is None


def test_a_bill_without_processor_has_no_finite_ratio() -> None:
    assert Bill("USD", 0, 0, 1, 0, 0, 0, 1, 0, 0, MODELLED).egress_over_cpu == float("inf")
