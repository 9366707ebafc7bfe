"""Points with a truth planted in them: what advice must find again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.report import model
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.costing import costings
from loadtests.report.advise.points import Point, answers
from loadtests.report.verdicts.evidence import Evidence

RUN = "20260102T030405Z-advise-1a2b3c4"


@dataclass(frozen=True)
class Truth:
    """Of one transport: CPU of a process, bytes of a delivery, latency of the stack."""

    own_us: float = 4000.0  # a second
    publication_us: float = 300.0
    delivery_us: float = 6.0
    answer_us: float = 0.0
    frame_bytes: float = 130.0
    header_bytes: float = 0.0  # of a poll's answer
    stack_ms: float = 0.6
    kib: float = 20.0


TRUTHS = {
    "websocket": Truth(),
    "sse": Truth(frame_bytes=160.0, publication_us=400.0, kib=12.0),
    "longpoll": Truth(answer_us=12.0, header_bytes=300.0, frame_bytes=160.0, kib=13.0),
    "shortpoll": Truth(answer_us=60.0, header_bytes=300.0, frame_bytes=100.0),
}

# rooms, members, rate, payload, link, direction
LOADS = (
    (50, 2, 2.0, 128, "loopback", "downstream"),
    (10, 10, 5.0, 512, "loopback", "downstream"),
    (4, 50, 10.0, 128, "loopback", "downstream"),
    (1, 400, 5.0, 300, "loopback", "downstream"),
    (1, 50, 1.0, 2048, "loopback", "downstream"),
    (2, 50, 10.0, 4000, "loopback", "downstream"),
    (10, 10, 5.0, 128, "rtt=80ms", "downstream"),
    (2, 20, 20.0, 128, "rtt=200ms", "downstream"),
    (10, 10, 5.0, 300, "loopback", "chat"),
    (4, 50, 2.0, 1024, "loopback", "chat"),
    (30, 2, 1.0, 128, "rtt=80ms", "chat"),
)


def points(transport: str, truth: Truth) -> list[Point]:
    """Return what would have been measured of a transport, without noise; CPU with an interval of a tenth."""
    found = [_point(transport, truth, *load) for load in LOADS]
    idle = Point(
        run_id=RUN, transport=transport, load="idle", link="loopback", kind="memory", subscribers=400, rooms=10,
        rate_per_s=0.0, payload_bytes=128, memory_kib=truth.kib,
    )  # fmt: skip
    return [*found, idle]


def _point(
    transport: str, truth: Truth, rooms: int, members: int, rate: float, payload: int, link: str, direction: str
) -> Point:
    one_way_ms = model.link_one_way_ms(link) or 0.0
    share = answers(transport, rate, one_way_ms, 1000.0)
    deliveries = rooms * members * rate
    each_us = truth.delivery_us + truth.answer_us * share
    cpu = (truth.own_us + truth.publication_us * rooms * rate) / deliveries + each_us
    sent = one_way_ms if direction == "chat" else 0.0
    p50 = sent + model.percentile_ms(transport, one_way_ms, rate, 1000.0, 50.0) + truth.stack_ms
    p99 = sent + model.percentile_ms(transport, one_way_ms, rate, 1000.0, 99.0) + 2 * truth.stack_ms
    served_ms = 0.0 if transport == "shortpoll" else members * each_us / 1e3
    return Point(
        run_id=RUN, transport=transport, load=f"{rooms}x{members}", link=link, kind="latency",
        subscribers=rooms * members, rooms=rooms, rate_per_s=rate, payload_bytes=payload, direction=direction,
        poll_interval_s=1.0, p50_ms=p50 + served_ms / 2, p99_ms=p99 + served_ms,
        server_cpu_us=cpu, server_cpu_us_low=0.95 * cpu, server_cpu_us_high=1.05 * cpu,
        bytes_down=payload + truth.frame_bytes + truth.header_bytes * share,
        ip_bytes_down=payload + truth.frame_bytes + (truth.header_bytes + 52) * share + (0 if share else 52),
    )  # fmt: skip


def of(truths: dict[str, Truth], further: Sequence[Point] = ()) -> list[Point]:
    """Return the points of several transports."""
    return [point for name, truth in truths.items() for point in points(name, truth)] + list(further)


def basis(evidence: Evidence, truths: dict[str, Truth] | None = None, further: Sequence[Point] = ()) -> Basis:
    """Return what advice is made from."""
    return Basis(RUN, costings(of(truths or TRUTHS, further)), evidence, None)


def close(found: float, truth: float, share: float = 0.02) -> bool:
    """Whether a figure is what was planted."""
    return math.isclose(found, truth, rel_tol=share)
