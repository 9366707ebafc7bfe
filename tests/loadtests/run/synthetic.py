"""Synthetic cells: tables of a generator that saw everything, once, in order; tests then plant faults."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from loadtests.records.cell_spec import CellSpec, GeneratorResult, GeneratorSecond, SocketTotals
from loadtests.records.schema import ABSENT_NS, PUBLISHES, SAMPLES, Phase

MS = 1_000_000


@dataclass(frozen=True)
class CellTables:
    """What a generator leaves behind."""

    samples: pa.Table
    publishes: pa.Table
    result: GeneratorResult


def cell_tables(spec: CellSpec, *, from_ns: int, to_ns: int, messages: int = 10) -> CellTables:
    """Return a perfect cell: `messages` to each room from `from_ns` on, received by each subscriber 5 ms later."""
    load = spec.load
    if load.rate_per_s == 0:
        messages = 0
    sent, received = [], []
    for message in range(messages):
        for room in range(load.rooms):
            at_ns = from_ns + message * MS
            sent.append(_publish(spec, room, message, at_ns))
            received += [
                _sample(spec, subscriber, room, message, at_ns)
                for subscriber in range(room, load.subscribers, load.rooms)
            ]
    return CellTables(
        samples=pa.Table.from_pylist(received, schema=SAMPLES),
        publishes=pa.Table.from_pylist(sent, schema=PUBLISHES),
        result=result(spec, from_ns, to_ns),
    )


def _publish(spec: CellSpec, room: int, message: int, at_ns: int) -> dict[str, object]:
    return {
        "cell": spec.cell,
        "publisher": room,
        "message": message,
        "room": room,
        "scheduled_ns": at_ns,
        "sent_ns": at_ns + 1000,
        "accepted_ns": at_ns + MS,
        "offset": message + 3,
        "phase": Phase.MEASURED,
        "refused_ns": ABSENT_NS,
    }


def _sample(spec: CellSpec, subscriber: int, room: int, message: int, at_ns: int) -> dict[str, object]:
    return {
        "cell": spec.cell,
        "scheduled_ns": at_ns,
        "sent_ns": at_ns + 1000,
        "kernel_rx_ns": at_ns + 5 * MS,
        "user_rx_ns": at_ns + 5 * MS + 100_000,
        "publisher": room,
        "message": message,
        "subscriber": subscriber,
        "room": room,
        "offset": message + 3,
        "payload_bytes": 128,
        "wire_bytes": 200,
        "batch_size": 1,
        "phase": Phase.MEASURED,
    }


def result(spec: CellSpec, from_ns: int, to_ns: int, looked_at: int = 40) -> GeneratorResult:
    """Return the result of a generator that had an easy time."""
    return GeneratorResult(
        cell=spec.cell,
        clock="kernel",
        subscribers_connected=spec.load.subscribers,
        measured_from_ns=from_ns,
        measured_to_ns=to_ns,
        connect_ms=(1.0, 2.0, 3.0),
        sockets=SocketTotals(
            bytes_received=1000,
            bytes_sent=100,
            segments_in=10,
            segments_out=10,
            header_bytes_in=520,
            header_bytes_out=720,
            acks=9,
        ),
        seconds=(GeneratorSecond(t_ns=to_ns, phase=Phase.MEASURED, cpu_percent=5.0, rss_kib=50_000.0, lag_ms=0.1),),
        hub_lag_ms_p99=0.1,
        cpu_s=0.01,
        refused=0,
        told_gaps=0,
        reconnects=0,
        looked_at=looked_at,
        until_ns=to_ns + 1000 * MS,
    )
