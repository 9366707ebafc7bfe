"""Of one transport: processor time, bytes, memory and latency of a load, each fitted to what was measured.

A server process's CPU a second is

    B + P m + D d + A a + S b

B: what it takes by itself; m, d, a: publications, deliveries and polls answered a second; b: KiB of payload delivered
a second. A delivery's bytes are its payload, a frame, and its share of a poll's answer. Its latency is the closed form
of link and polling (`report.model`), a chat's sender's own way, the wait while the server is busy, and the stack's own
time, which grows with the room: the median receiver waits for half of it, the last for all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from loadtests.report import model
from loadtests.report.advise import points as measured
from loadtests.report.advise.case import BOTH, Case
from loadtests.report.advise.figure import MEASURED, MODELLED, Figure
from loadtests.report.advise.points import Point, answers
from loadtests.report.advise.surface import Place, Seen, Surface, fit, place
from loadtests.report.priced import HEADER_BYTES
from loadtests.report.tls import RECORD_BYTES

POLL_INTERVAL_MS = 1000.0
SEGMENT_BYTES = 1448
"""Payload of a packet on Ethernet, with time stamps."""

_CHAT = "chat"
_US = 1e6


@dataclass(frozen=True, slots=True)
class Load:
    """What one process carries."""

    rate_per_s: float  # of each room
    payload_bytes: float
    members: float  # of a room, on this process
    rooms: float
    one_way_ms: float = 0.0
    interval_ms: float = POLL_INTERVAL_MS
    loss_percent: float = 0.0
    both: bool = False

    @property
    def deliveries_per_s(self) -> float:
        return self.rate_per_s * self.members * self.rooms


@dataclass(frozen=True, slots=True)
class Costing:
    """Everything known of one transport; None: not measured."""

    transport: str
    cpu: Surface | None  # microseconds a second of one process
    wire: Surface | None  # bytes down per delivery, with headers of IP and TCP
    p50: Surface | None
    p99: Surface | None
    lossy: tuple[Point, ...]  # measured over links that lose packets
    memory: Point | None
    tls_memory: Point | None
    tls_cpu: Figure | None  # microseconds per delivery that TLS adds

    def busy_us(self, load: Load) -> Figure | None:
        """Return the CPU of a process, in microseconds a second."""
        return self.cpu.at(_at(load), _cpu_terms(self.transport, load)) if self.cpu else None

    def each_us(self, load: Load) -> float:
        """Return what one more delivery costs by the model, without its share of a publication."""
        return _each_us(self.transport, self.cpu, load)

    def wire_bytes(self, load: Load, *, tls: bool) -> Figure | None:
        """Return the bytes of a delivery on the wire."""
        if self.wire is None:
            return None
        share = answers(self.transport, load.rate_per_s, load.one_way_ms, load.interval_ms)
        found = self.wire.at(_at(load, rooms=1.0), (1.0, share), load.payload_bytes)
        if found.how != MEASURED:
            packets = max(0, math.ceil(load.payload_bytes / SEGMENT_BYTES) - 1)
            found = found.plus(HEADER_BYTES * packets)
        records = share if model.kind(self.transport) != "push" else 1.0
        return replace(found.plus(RECORD_BYTES * records), how=MODELLED) if tls else found

    def latency_ms(self, load: Load, percent: float, jitter_ms: float = 0.0) -> Figure | None:
        """Return a percentile of delivery latency; over a link that loses packets the p99 may be a lower bound."""
        surface = self.p50 if percent == 50.0 else self.p99
        if surface is None:
            return None
        seen = self._measured_loss(load, percent)
        if seen is not None:
            return seen
        clear = replace(load, loss_percent=0.0)
        found = self._lossless_ms(surface, clear, percent)
        if percent != 50.0 and jitter_ms:
            found = replace(found.plus(jitter_ms / 2), how=MODELLED)
        if late_share(load) >= 1 - percent / 100:
            # A lost packet is noticed a round trip later at the earliest, and holds up what follows it.
            return replace(found.plus(2 * load.one_way_ms), how=MODELLED, at_least=True, high=None)
        return found

    def _lossless_ms(self, surface: Surface, load: Load, percent: float) -> Figure:
        """Return a percentile; unless it was measured, never below the closed form, and no p99 below the p50.

        The corrections between measurements are differences, which may be negative and more than the model.
        """
        least = _offset_ms(self.transport, self.cpu, load, percent)
        found = surface.at(_at(load, rooms=1.0), _latency_terms(self.transport, self.cpu, load, percent), least)
        if percent != 50.0 and self.p50:
            least = max(least, self._lossless_ms(self.p50, load, 50.0).value)
        return found if found.how == MEASURED else found.floored(least)

    def _measured_loss(self, load: Load, percent: float) -> Figure | None:
        name = "p50_ms" if percent == 50.0 else "p99_ms"
        for point in self.lossy if load.loss_percent else ():
            value = getattr(point, name)
            if value is not None and _load_of(point) == load:
                low, high = getattr(point, f"{name}_low"), getattr(point, f"{name}_high")
                return Figure(value, low, high, MEASURED, point.run_id, bool(getattr(point, f"{name}_at_least")))
        return None

    def memory_kib(self, *, tls: bool) -> Figure | None:
        """Return the memory of an idle connection."""
        point = self.tls_memory if tls else self.memory
        if point is None or point.memory_kib is None:
            return None
        return Figure(point.memory_kib, None, None, MEASURED, point.run_id)

    def held_kib(self, case: Case) -> Figure | None:
        """Return what an idle connection of the case takes; without TLS where that over TLS was not measured."""
        return self.memory_kib(tls=case.tls) or self.memory_kib(tls=False)


def late_share(load: Load) -> float:
    """Return the share of deliveries that a lost packet holds up: its own, and those of the round trip after it."""
    return load.loss_percent / 100 * (1 + load.rate_per_s * 2 * load.one_way_ms / 1e3)


def costings(points: Sequence[Point]) -> dict[str, Costing]:
    """Fit every transport that was measured."""
    names = dict.fromkeys(point.transport for point in points)
    return {name: _costing(name, [point for point in points if point.transport == name]) for name in names}


def _costing(transport: str, points: Sequence[Point]) -> Costing:
    loads = [point for point in points if point.memory_kib is None and not point.tls and point.rate_per_s > 0]
    clear = [point for point in loads if "loss=" not in point.link]
    cpu = fit(list(_cpu_seen(clear)), ratio=True)
    return Costing(
        transport=transport,
        cpu=cpu,
        wire=fit(list(_bytes_seen(clear)), ratio=False),
        p50=fit(list(_latency_seen(clear, cpu, 50.0)), ratio=False),
        p99=fit(list(_latency_seen(clear, cpu, 99.0)), ratio=False),
        lossy=tuple(point for point in loads if "loss=" in point.link),
        memory=measured.memory_kib(points, transport, tls=False),
        tls_memory=measured.memory_kib(points, transport, tls=True),
        tls_cpu=_tls_cpu(points),
    )


def load_of(case: Case, rooms: float, members: float) -> Load:
    """Return what one process carries of a case."""
    return Load(
        rate_per_s=case.rate_per_s,
        payload_bytes=case.payload_bytes,
        members=members,
        rooms=rooms,
        one_way_ms=case.one_way_ms,
        loss_percent=case.loss_percent,
        both=case.direction == BOTH,
    )


def _load_of(point: Point) -> Load:
    loss = model.loss_percent(point.link)
    return Load(
        rate_per_s=point.rate_per_s,
        payload_bytes=point.payload_bytes,
        members=point.members,
        rooms=point.rooms,
        one_way_ms=point.one_way_ms,
        interval_ms=point.interval_ms,
        loss_percent=loss,
        both=point.direction == _CHAT,
    )


def key_of(point: Point) -> tuple[float, ...]:
    """Return a point's load as numbers, in the order of `Load`'s fields."""
    load = _load_of(point)
    return tuple(float(getattr(load, name)) for name in Load.__dataclass_fields__)


def _at(load: Load, rooms: float | None = None) -> Place:
    rooms = load.rooms if rooms is None else rooms
    return place(
        load.rate_per_s, load.payload_bytes, load.members, load.one_way_ms, rooms, load.interval_ms, float(load.both)
    )


def _cpu_terms(transport: str, load: Load) -> tuple[float, ...]:
    deliveries = load.deliveries_per_s
    share = answers(transport, load.rate_per_s, load.one_way_ms, load.interval_ms)
    kib = deliveries * load.payload_bytes / 1024
    return 1.0, load.rate_per_s * load.rooms, deliveries, deliveries * share, kib


def _each_us(transport: str, cpu: Surface | None, load: Load) -> float:
    if cpu is None:
        return 0.0
    share = answers(transport, load.rate_per_s, load.one_way_ms, load.interval_ms)
    _, _, delivery, answer, kib = cpu.coefficients
    return delivery + answer * share + kib * load.payload_bytes / 1024


def _latency_terms(transport: str, cpu: Surface | None, load: Load, percent: float) -> tuple[float, float]:
    waited = 0.5 if percent == 50.0 else 1.0
    return 1.0, waited * _served_us(transport, cpu, load) / 1e3


def _served_us(transport: str, cpu: Surface | None, load: Load) -> float:
    """Return what the room's deliveries of one publication take; short polls are not served together."""
    return 0.0 if model.kind(transport) == "short poll" else load.members * _each_us(transport, cpu, load)


def _offset_ms(transport: str, cpu: Surface | None, load: Load, percent: float) -> float:
    closed = model.percentile_ms(transport, load.one_way_ms, load.rate_per_s, load.interval_ms, percent)
    # Whoever publishes from among the subscribers is as far away as they are.
    sent = load.one_way_ms if load.both else 0.0
    return (0.0 if math.isnan(closed) else closed) + sent + queue_ms(transport, cpu, load, percent)


def queue_ms(transport: str, cpu: Surface | None, load: Load, percent: float) -> float:
    """Return what a publication waits while the process serves others: a queue with one server and fixed service.

    P(wait > t) is about rho e^(-2 (1 - rho) t / s) (Pollaczek and Khinchine's mean, exponential tail); s: the service
    of one publication at its room, rho: the busy share.
    """
    if cpu is None:
        return 0.0
    service_us = cpu.coefficients[1] + _served_us(transport, cpu, load)
    busy = min(0.95, cpu.model(_cpu_terms(transport, load), 0.0) / _US)
    beyond = 1 - percent / 100
    return math.log(busy / beyond) * service_us / 1e3 / (2 * (1 - busy)) if busy > beyond else 0.0


def _cpu_seen(points: Iterable[Point]) -> Iterable[Seen]:
    for point in points:
        if point.server_cpu_us is not None:
            load = _load_of(point)
            scale = load.deliveries_per_s
            low, high = (
                None if end is None else end * scale for end in (point.server_cpu_us_low, point.server_cpu_us_high)
            )
            terms = _cpu_terms(point.transport, load)
            yield Seen(_at(load), terms, 0.0, point.server_cpu_us * scale, low, high, point.run_id)


def _bytes_seen(points: Iterable[Point]) -> Iterable[Seen]:
    for point in points:
        if (value := point.wire_bytes) is not None:
            terms = (1.0, point.answers)
            yield Seen(_at(_load_of(point), rooms=1.0), terms, point.payload_bytes, value, None, None, point.run_id)


def _latency_seen(points: Iterable[Point], cpu: Surface | None, percent: float) -> Iterable[Seen]:
    name = "p50_ms" if percent == 50.0 else "p99_ms"
    for point in points:
        value = getattr(point, name)
        if value is None or getattr(point, f"{name}_at_least"):
            continue
        load = _load_of(point)
        yield Seen(
            _at(load, rooms=1.0),
            _latency_terms(point.transport, cpu, load, percent),
            _offset_ms(point.transport, cpu, load, percent),
            value,
            getattr(point, f"{name}_low"),
            getattr(point, f"{name}_high"),
            point.run_id,
        )


def _tls_cpu(points: Sequence[Point]) -> Figure | None:
    """Return what TLS adds to a delivery: the median over pairs of measurements that differ in nothing else."""
    plain = {_load_of(p): p for p in points if not p.tls and p.server_cpu_us is not None and p.memory_kib is None}
    pairs = [(p, plain.get(_load_of(p))) for p in points if p.tls and p.server_cpu_us is not None]
    added = sorted((p.server_cpu_us or 0.0) - (other.server_cpu_us or 0.0) for p, other in pairs if other)
    if not added:
        return None
    runs = ", ".join(dict.fromkeys(p.run_id for p, other in pairs if other))
    return Figure(max(0.0, added[len(added) // 2]), None, None, MEASURED, runs)
