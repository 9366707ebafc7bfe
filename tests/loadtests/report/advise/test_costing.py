"""What was planted in points is found again, and carried over to loads that nobody measured."""

from __future__ import annotations

import itertools
from dataclasses import replace

import msgspec
import pytest

from loadtests.report.advise.advice import Basis
from loadtests.report.advise.costing import Load, costings
from loadtests.report.advise.figure import BETWEEN, MEASURED, MODELLED
from loadtests.report.advise.points import answers
from loadtests.report.model import percentile_ms
from tests.loadtests.report.advise import planted
from tests.loadtests.report.advise.planted import TRUTHS, Truth

LOAD = Load(rate_per_s=5.0, payload_bytes=300, members=100, rooms=20)


@pytest.mark.parametrize("transport", ["websocket", "sse", "longpoll"])
def test_cpu_of_a_load_that_was_not_measured_is_that_of_the_truth(found: Basis, transport: str) -> None:
    truth, costing = TRUTHS[transport], found.costings[transport]
    busy = costing.busy_us(LOAD)
    assert busy is not None
    share = answers(transport, 5.0, 0.0, 1000.0)
    expected = truth.own_us + truth.publication_us * 100 + (truth.delivery_us + truth.answer_us * share) * 10_000
    assert planted.close(busy.value, expected)
    assert busy.how == BETWEEN


def test_a_measured_load_is_measured_and_a_larger_payload_than_any_is_modelled(found: Basis) -> None:
    costing = found.costings["websocket"]
    at = replace(LOAD, rooms=10, members=10, payload_bytes=512)
    busy, beyond = costing.busy_us(at), costing.busy_us(replace(LOAD, payload_bytes=4090))
    assert busy is not None
    assert beyond is not None
    assert (busy.how, busy.source) == (MEASURED, planted.RUN)
    assert busy.low == pytest.approx(0.95 * busy.value)
    assert beyond.how == MODELLED


def test_bytes_are_payload_frame_and_a_share_of_a_polls_answer(found: Basis) -> None:
    pushed = found.costings["websocket"].wire_bytes(LOAD, tls=False)
    assert pushed is not None
    assert pushed.value == pytest.approx(300 + 130 + 52)
    over = replace(LOAD, one_way_ms=100, rate_per_s=20.0)
    polled = [found.costings["longpoll"].wire_bytes(load, tls=False) for load in (LOAD, over)]
    assert polled[0] is not None
    assert polled[1] is not None
    assert polled[0].value == pytest.approx(300 + 160 + 352)
    assert polled[1].value < polled[0].value - 200, "over a long line an answer carries several"


def test_long_payloads_take_several_packets_and_tls_a_record(found: Basis) -> None:
    costing = found.costings["websocket"]
    long, plain, tls = (
        costing.wire_bytes(load, tls=over)
        for load, over in ((replace(LOAD, payload_bytes=3000), False), (LOAD, False), (LOAD, True))
    )
    assert long is not None
    assert plain is not None
    assert tls is not None
    assert long.value == pytest.approx(3000 + 130 + 3 * 52)
    assert tls.value == pytest.approx(plain.value + 22)
    assert tls.how == MODELLED


def test_latency_is_the_closed_form_and_the_rooms_service(found: Basis) -> None:
    near, far = (found.costings["websocket"].latency_ms(replace(LOAD, one_way_ms=d), 50.0) for d in (0.0, 40.0))
    assert near is not None
    assert far is not None
    assert near.value == pytest.approx(0.6 + 50 * 6 / 1e3, rel=0.1)
    assert far.value - near.value == pytest.approx(40, rel=0.01)


@pytest.mark.parametrize("transport", ["websocket", "longpoll"])
def test_no_p99_is_below_its_p50_nor_either_below_the_closed_form(transport: str) -> None:
    points = planted.points(transport, TRUTHS[transport])
    for index, scale in ((0, 5.0), (1, 0.1), (2, 4.0), (4, 0.1)):  # far from the model on both sides
        off = (points[index].p50_ms or 0.0) * scale
        points[index] = msgspec.structs.replace(points[index], p50_ms=off, p99_ms=1.01 * off)
    costing = costings(points)[transport]
    for rate, members, one_way_ms in itertools.product((1.0, 3.0, 8.0), (2, 7, 30, 300), (0.0, 10.0, 40.0)):
        load = Load(rate, 256, members, 1, one_way_ms)
        p50, p99 = (costing.latency_ms(load, percent) for percent in (50.0, 99.0))
        assert p50 is not None
        assert p99 is not None
        closed = [percentile_ms(transport, one_way_ms, rate, 1000.0, percent) for percent in (50.0, 99.0)]
        assert closed[0] <= p50.value <= p99.value, load
        assert p99.value >= closed[1], load
        assert p50.low is None or closed[0] <= p50.low <= p50.value


def test_loss_makes_the_p99_a_lower_bound_and_leaves_the_median(found: Basis) -> None:
    clear, lossy, rarely = (replace(LOAD, one_way_ms=40.0, loss_percent=p) for p in (0.0, 1.0, 0.1))
    costing = found.costings["websocket"]
    assert costing.latency_ms(lossy, 50.0) == costing.latency_ms(clear, 50.0)
    p99, without, seldom = (costing.latency_ms(load, 99.0) for load in (lossy, clear, rarely))
    assert p99 is not None
    assert without is not None
    assert seldom is not None
    assert (p99.at_least, without.at_least, seldom.at_least) == (True, False, False)
    assert p99.value == pytest.approx(without.value + 80)


def test_a_measurement_over_a_lossy_link_is_taken_where_it_was_made() -> None:
    point = planted.points("websocket", Truth())[6]
    lossy = msgspec.structs.replace(point, link="rtt=80ms,loss=1%", p99_ms=222.0)
    costing = costings([*planted.points("websocket", Truth()), lossy])["websocket"]
    at = Load(5.0, 128, 10, 10, one_way_ms=40.0, loss_percent=1.0)
    there, elsewhere = costing.latency_ms(at, 99.0), costing.latency_ms(replace(at, members=11), 99.0)
    assert there is not None
    assert elsewhere is not None
    assert (there.value, there.how, there.at_least) == (222.0, MEASURED, False)
    assert elsewhere.at_least
    bound = msgspec.structs.replace(lossy, p99_ms_at_least=True)
    least = costings([*planted.points("websocket", Truth()), bound])["websocket"].latency_ms(at, 99.0)
    assert least is not None
    assert least.at_least, "what was measured may be a lower bound too"


def test_jitter_adds_its_half_to_the_tail_only(found: Basis) -> None:
    costing = found.costings["sse"]
    calm, shaky = (costing.latency_ms(LOAD, 99.0, jitter) for jitter in (0.0, 20.0))
    assert calm is not None
    assert shaky is not None
    assert shaky.value == pytest.approx(calm.value + 10)


def test_a_busy_server_keeps_messages_waiting(found: Basis) -> None:
    costing = found.costings["websocket"]
    calm, busy = (costing.latency_ms(replace(LOAD, rooms=rooms), 99.0) for rooms in (5, 120))
    assert calm is not None
    assert busy is not None
    assert busy.value > 2 * calm.value


def test_tls_costs_what_pairs_of_measurements_differ_by() -> None:
    plain = planted.points("websocket", Truth())
    cpu_us = (plain[1].server_cpu_us or 0) + 7
    dearer = msgspec.structs.replace(plain[1], variant="tls", kind="ablation", server_cpu_us=cpu_us)
    costing = costings([*plain, dearer])["websocket"]
    assert costing.tls_cpu is not None
    assert costing.tls_cpu.value == pytest.approx(7)
    assert costings(plain)["websocket"].tls_cpu is None


def test_a_chats_sender_is_as_far_away_as_its_receivers(found: Basis) -> None:
    costing, at = found.costings["websocket"], replace(LOAD, one_way_ms=35.0)
    down, both = (costing.latency_ms(replace(at, both=way), 50.0) for way in (False, True))
    assert down is not None
    assert both is not None
    assert both.value == pytest.approx(down.value + 35, rel=0.02)


def test_short_polls_are_not_served_together_however_many_there_are(found: Basis) -> None:
    costing = found.costings["shortpoll"]
    few, many = (costing.latency_ms(replace(LOAD, members=members, rooms=1), 50.0) for members in (20, 2000))
    assert few is not None
    assert many is not None
    assert many.value == pytest.approx(few.value, rel=0.05)
