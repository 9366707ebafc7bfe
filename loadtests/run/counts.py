"""From a cell's tables to what was lost, doubled, reordered, what it cost, and how well the instrument did. Pure.

Only the measured phase counts. A delivery is known by (subscriber, room, offset).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.cell_spec import GeneratorResult, Load
from loadtests.records.schema import ABSENT_NS, Costs, Counts, Instrument, Phase
from loadtests.run import sampler
from loadtests.run.sampler import Reading

Integers = npt.NDArray[np.int64]

TOGETHER_NS = 1_000_000
"""How far apart deliveries of one read must have been due to count as late: closer ones no reader could separate."""


def measured(table: pa.Table) -> pa.Table:
    """Return the rows of the measured phase."""
    return table.filter(pc.equal(table["phase"], Phase.MEASURED))


def subscribers_of(load: Load) -> Integers:
    """Return how many subscribers each room has: subscriber i listens in room i % rooms."""
    return np.bincount(np.arange(load.subscribers) % load.rooms, minlength=load.rooms).astype(np.int64)


def count(samples: pa.Table, publishes: pa.Table, load: Load, result: GeneratorResult) -> Counts:
    """Return the cell's counts.

    `samples` and `publishes` are whole tables (`SAMPLES`, `PUBLISHES`), samples in each subscriber's order of
    arrival. Expected is every publication at every subscriber of its room, except what an error answered; a delivery
    that was not owed does not fill a hole.
    """
    sent = measured(publishes)
    accepted = sent.filter(pc.not_equal(sent["accepted_ns"], ABSENT_NS))
    failed = sent.filter(pc.equal(sent["accepted_ns"], ABSENT_NS))
    unanswered = failed.filter(pc.equal(failed["refused_ns"], ABSENT_NS))
    promised_rooms, promised_offsets = column(accepted, "room"), column(accepted, "offset")
    promised = int(subscribers_of(load)[promised_rooms].sum())
    owed_without_answer = int(subscribers_of(load)[column(unanswered, "room")].sum())

    delivered = measured(samples)
    # Rows become whole numbers that sort by (subscriber, room, offset).
    offsets = column(delivered, "offset")
    stride = int(max(offsets.max(initial=0), promised_offsets.max(initial=0))) + 1
    streams = column(delivered, "subscriber") * load.rooms + column(delivered, "room")
    deliveries = streams * stride + offsets
    distinct = np.unique(deliveries)
    doubled, reordered = doubled_and_reordered(delivered, load.rooms)
    events = (distinct // stride % load.rooms) * stride + distinct % stride
    received = int(np.isin(events, np.unique(promised_rooms * stride + promised_offsets)).sum())
    received_unanswered = _received_unanswered(delivered, unanswered, load)
    lost_unanswered = max(0, owed_without_answer - received_unanswered)
    return Counts(
        published=accepted.num_rows,
        refused=failed.num_rows - unanswered.num_rows,
        expected=promised + owed_without_answer,
        received=received + received_unanswered,
        lost=max(0, promised - received) + lost_unanswered,
        duplicates=doubled,
        out_of_order=reordered,
        told_gaps=result.told_gaps,
        reconnects=result.reconnects,
        unanswered=unanswered.num_rows,
        lost_unanswered=lost_unanswered,
        until_ns=result.until_ns,
    )


def doubled_and_reordered(delivered: pa.Table, rooms: int) -> tuple[int, int]:
    """Count deliveries that came again, and first ones that came after one with a higher offset."""
    offsets = column(delivered, "offset")
    streams = column(delivered, "subscriber") * rooms + column(delivered, "room")
    distinct, first_rows = np.unique(streams * (int(offsets.max(initial=0)) + 1) + offsets, return_index=True)
    in_order = np.sort(first_rows)
    return len(offsets) - len(distinct), _out_of_order(streams[in_order], offsets[in_order])


def _received_unanswered(delivered: pa.Table, publications: pa.Table, load: Load) -> int:
    """Count the distinct deliveries of unanswered publications: their offsets are unknown, their stamps are not."""
    if not publications.num_rows or not delivered.num_rows:
        return 0
    stride = int(max(column(delivered, "message").max(), column(publications, "message").max())) + 1
    wanted = column(publications, "publisher") * stride + column(publications, "message")
    known = column(delivered, "publisher") * stride + column(delivered, "message")
    inside = np.isin(known, wanted)
    return len(np.unique(known[inside] * load.subscribers + column(delivered, "subscriber")[inside]))


def _out_of_order(streams: Integers, offsets: Integers) -> int:
    """Count first deliveries that came after one with a higher offset of the same stream."""
    if not len(streams):
        return 0
    by_stream = np.argsort(streams, kind="stable")
    streams, offsets = streams[by_stream], offsets[by_stream]
    # Lift each stream above the one before it: one running maximum then serves all streams.
    lifted = np.unique(streams, return_inverse=True)[1] * (int(offsets.max()) + 1) + offsets
    return int((lifted < np.maximum.accumulate(lifted)).sum())


def costs(
    samples: pa.Table,
    result: GeneratorResult,
    readings: Sequence[Reading],
) -> Costs:
    """Return what a latency cell cost per delivery of the measured phase.

    What the generator counted between two looks is divided by the deliveries between the same two looks: those
    that were due in the phase are one message more or less, 2.5 % of forty.
    """
    deliveries = measured(samples).num_rows
    server_cpu_ns = sampler.server_cpu_ns(readings, result.measured_from_ns, result.measured_to_ns)
    sockets = result.sockets
    segments = down = up = None
    if sockets is not None:
        segments = _sum(sockets.segments_in, sockets.segments_out)
        down = _sum(sockets.bytes_received, sockets.header_bytes_in)
        up = _sum(sockets.bytes_sent, sockets.header_bytes_out)
    connect_p50, connect_p99 = _connect(result)
    return Costs(
        server_cpu_us_per_delivery=_per(server_cpu_ns, deliveries, 1e-3),
        generator_cpu_us_per_delivery=_per(result.cpu_s, result.looked_at, 1e6),
        wire_bytes_down_per_delivery=_per(sockets.bytes_received if sockets else None, result.looked_at),
        wire_bytes_up_per_delivery=_per(sockets.bytes_sent if sockets else None, result.looked_at),
        packets_per_delivery=_per(segments, result.looked_at),
        ip_bytes_down_per_delivery=_per(down, result.looked_at),
        ip_bytes_up_per_delivery=_per(up, result.looked_at),
        acks_per_delivery=_per(sockets.acks if sockets else None, result.looked_at),
        connect_ms_p50=connect_p50,
        connect_ms_p99=connect_p99,
    )


def memory_costs(
    result: GeneratorResult,
    *,
    server_kib: tuple[float, float],
    buffers_kib: tuple[float | None, float | None],
    objects_kib: float | None,
) -> Costs:
    """Return what idle connections cost; the pairs are (before the first connection, while all are held).

    In the kernel a connection's server side has `objects_kib` and its part of the TCP buffers' growth, which holds
    both ends of each loopback connection: half of it. Of workers from elsewhere it may hold one end only: None.
    """
    connections = result.subscribers_connected
    kernel = None
    before, held = buffers_kib
    both_here = not any(each.elsewhere for each in result.workers)
    if both_here and objects_kib is not None and before is not None and held is not None and connections:
        kernel = objects_kib + max(0.0, held - before) / 2 / connections
    connect_p50, connect_p99 = _connect(result)
    return Costs(
        server_kib_per_connection=_per(server_kib[1] - server_kib[0], connections),
        kernel_kib_per_connection=kernel,
        connect_ms_p50=connect_p50,
        connect_ms_p99=connect_p99,
    )


def instrument(
    samples: pa.Table,
    publishes: pa.Table,
    result: GeneratorResult,
    readings: Sequence[Reading],
    *,
    poisson: bool = False,
) -> Instrument:
    """Return how well the generator did in the measured phase; None where there is nothing to say it from.

    Of `poisson` arrivals only deliveries that a late reader put together count as batched (`late_fraction`).
    """
    delivered, sent = measured(samples), measured(publishes)
    measured_s = (result.measured_to_ns - result.measured_from_ns) / 1e9
    kernel_rx, user_rx = column(delivered, "kernel_rx_ns"), column(delivered, "user_rx_ns")
    sent_ns = column(delivered, "sent_ns")
    stamped, ours = kernel_rx != ABSENT_NS, sent_ns != ABSENT_NS
    transit_ms = (np.where(stamped, kernel_rx, user_rx)[ours] - sent_ns[ours]) / 1e6
    gaps_ms = (user_rx[stamped] - kernel_rx[stamped]) / 1e6
    together = column(delivered, "batch_size") > 1
    batched = float(together.mean()) if len(together) else None
    return Instrument(
        clock=result.clock,
        rx_gap_ms_p99=_p99(gaps_ms),
        batched_fraction=late_fraction(delivered) if poisson else batched,
        publish_lateness_ms_p99=_p99((column(sent, "sent_ns") - column(sent, "scheduled_ns")) / 1e6),
        hub_lag_ms_p99=result.hub_lag_ms_p99,
        cpu_percent=100.0 * result.cpu_s / measured_s if measured_s > 0 else None,
        foreign_cpu_percent=sampler.foreign_cpu_percent(readings, result.measured_from_ns, result.measured_to_ns),
        rx_gap_ms_min=_least(gaps_ms),
        transit_ms_min=_least(transit_ms),
        clock_steps=result.clock_steps,
        strangers=int(np.count_nonzero(~ours)),
        clock_uncertainty_ms=result.clock_uncertainty_ms,
    )


def late_fraction(samples: pa.Table) -> float | None:
    """Return the fraction of deliveries that shared a read because the reader was late; None without deliveries.

    Of deliveries that share a read only the last one's stamp is known. Random arrivals put some messages closer
    together than any reader could separate; their stamps are off by no more than their distance. Deliveries that were
    due more than `TOGETHER_NS` apart and still came in one read waited for the reader.
    """
    samples = samples.filter(pc.not_equal(samples["scheduled_ns"], ABSENT_NS))
    if not samples.num_rows:
        return None
    subscriber, read_ns, due_ns, size = (
        column(samples, name) for name in ("subscriber", "user_rx_ns", "scheduled_ns", "batch_size")
    )
    _, read = np.unique(np.stack([subscriber, read_ns]), axis=1, return_inverse=True)
    first_ns = np.full(read.max() + 1, np.iinfo(np.int64).max)
    last_ns = np.full(read.max() + 1, np.iinfo(np.int64).min)
    np.minimum.at(first_ns, read, due_ns)
    np.maximum.at(last_ns, read, due_ns)
    late = (size > 1) & ((last_ns - first_ns)[read] > TOGETHER_NS)
    return float(late.mean())


def drop_batch_stamps(samples: pa.Table) -> pa.Table:
    """Return `samples` (`SAMPLES`) without the kernel stamps of reads that held several deliveries, for lossy links.

    Behind a lost packet the kernel keeps what follows and hands all of it over when the gap is filled. The read's stamp
    is then its last packet's, which came before the gap was filled: earlier than anything in the read could be
    delivered. Python's stamp of the read, late by a fraction of a millisecond, is used instead.
    """
    stamps = pc.if_else(pc.greater(samples["batch_size"], 1), pa.scalar(ABSENT_NS, pa.int64()), samples["kernel_rx_ns"])
    index = samples.schema.get_field_index("kernel_rx_ns")
    return samples.set_column(index, samples.schema.field(index), stamps)


def column(table: pa.Table, name: str) -> Integers:
    """Return a column of whole numbers."""
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _per(total: float | None, parts: int, scale: float = 1.0) -> float | None:
    return None if total is None or parts <= 0 else total * scale / parts


def _least(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.min()) if len(values) else None


def _p99(values: npt.NDArray[np.float64]) -> float | None:
    return float(np.percentile(values, 99)) if len(values) else None


def _connect(result: GeneratorResult) -> tuple[float | None, float | None]:
    if not result.connect_ms:
        return None, None
    p50, p99 = np.percentile(result.connect_ms, [50, 99])
    return float(p50), float(p99)
