"""From a trial's rows to checks: what was planted, and what the lab's own counting makes of it.

An outage (the server freezes, or refuses) is planted with all transports side by side: its checks are of one room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.trial import Trial
from loadtests.records.calibration import Check
from loadtests.records.cell_spec import CellSpec, Load
from loadtests.records.schema import Counts
from loadtests.report import latency
from loadtests.report.latency import order_statistic
from loadtests.report.quantity import AtLeast
from loadtests.run import counts, outages
from loadtests.run.targets import Target


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Greatest errors, of either sign. Counts must be exact and have none."""

    p50_ms: float = 0.1
    p99_ms: float = 0.5
    stall_percent: float = 5.0
    # Connections are timed in Python, by a wake-up of its own: no kernel stamps them.
    connect_ms: float = 5.0
    # A short poll asks at an instant that a timer keeps: a timer wakes a sleeping core up to 0.2 ms late, and the grid
    # is met at so many points only.
    grid_p50_ms: float = 0.5
    grid_p99_ms: float = 1.0


FULL = Tolerances()

SHORT = Tolerances(p50_ms=0.3, grid_p50_ms=2.0)
"""Of the form that precedes each comparison: some fifty messages, all transports at a time."""


Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """One transport's rows of the measured phase, and its counts as the lab takes them."""

    target: Target
    load: Load
    faults: Faults
    latency_ms: Floats  # NaN where another clock stamped the publication
    offset: Integers  # of each delivery
    published_offset: Integers  # of each acknowledged publication, ascending
    published_ms: Floats  # its scheduled instant
    counts: Counts
    connect_ms: tuple[float, ...]  # of every subscriber

    @property
    def grid_ms(self) -> float:
        """The grid on which the transport asks; 0 where it does not."""
        return 1e3 * self.load.poll_interval_s if self.target.on_a_grid else 0.0


def of(trial: Trial, target: Target, load: Load, faults: Faults, room: int | None = None) -> Found:
    """Return what a trial found, or one room of it, of the transport that has this room."""
    samples, publishes = (pq.read_table(trial.folder / f"{name}.parquet") for name in ("samples", "publishes"))
    received, sent = trial.samples["room"] >= 0, trial.publishes["offset"] > 0
    if room is not None:
        samples = samples.filter(pc.equal(samples["room"], room))
        publishes = publishes.filter(pc.equal(publishes["room"], room))
        received, sent = trial.samples["room"] == room, sent & (trial.publishes["room"] == room)
    return Found(
        target=target,
        load=load,
        faults=faults,
        latency_ms=trial.latencies_ms[received],
        offset=trial.samples["offset"][received],
        published_offset=trial.publishes["offset"][sent],
        published_ms=trial.publishes["scheduled_ns"][sent] / 1e6,
        counts=counts.count(samples, publishes, load, trial.result),
        connect_ms=trial.result.connect_ms,
    )


def delay(found: Found, tolerances: Tolerances, percents: tuple[int, ...] = (50, 99)) -> Iterator[Check]:
    """Check the fixed delay. A grid adds a wait that is spread evenly over it: its percentile is taken off.

    Messages that were mistreated on purpose are left out: a swapped one is late by design.
    """
    swapped = _falls_on(found.offset, found.faults.reorder_every)
    values = found.latency_ms[~swapped & ~np.isnan(found.latency_ms)]
    for percent in percents:
        grid_ms = found.grid_ms * percent / 100
        yield _timed(found, f"{found.faults.delay_ms:g} ms delay", f"p{percent}", found.faults.delay_ms,
                     order_statistic(values, percent) - grid_ms, _bound(found, tolerances, percent))  # fmt: skip


def two_points(found: Found, tolerances: Tolerances) -> Iterator[Check]:
    """Check both values of the two-point delay, each over its own messages."""
    faults = found.faults
    late = _falls_on(found.offset, faults.late_every)
    for name, planted_ms, rows in (("early", faults.delay_ms, ~late), ("late", faults.late_ms, late)):
        value = order_statistic(found.latency_ms[rows], 50) - found.grid_ms / 2
        fault = f"{faults.delay_ms:g} or {faults.late_ms:g} ms delay"
        yield _timed(found, fault, f"p50 of the {name}", planted_ms, value, _bound(found, tolerances, 50))


def stall(found: Found, tolerances: Tolerances) -> Iterator[Check]:
    """Check the tail that a stall leaves: whoever was due in it waits until its end, by the schedule itself."""
    faults = found.faults
    planted_ms = order_statistic(stalled_latencies_ms(found), 99) + found.grid_ms / 2
    value = order_statistic(found.latency_ms, 99)
    bound_ms = planted_ms * tolerances.stall_percent / 100
    yield _timed(found, f"{faults.stall_s:g} s stall", "p99", planted_ms, value, bound_ms)


def stalled_latencies_ms(found: Found) -> Floats:
    """Return the latency of each publication that follows from the schedule, the delay and the stall alone."""
    faults = found.faults
    at_ms = found.published_ms[found.published_offset == faults.stall_after]
    if not len(at_ms):
        return np.full(len(found.published_ms), faults.delay_ms)
    end_ms = float(at_ms[0]) + 1e3 * faults.stall_s
    inside = (found.published_ms >= at_ms[0]) & (found.published_ms < end_ms - faults.delay_ms)
    return np.where(inside, end_ms - found.published_ms, faults.delay_ms)


def losses(found: Found) -> Iterator[Check]:
    """Check what was lost, doubled and swapped, each counted exactly, over all subscribers of the room."""
    faults, offsets, counted = found.faults, found.published_offset, found.counts
    subscribers = counted.expected // max(1, counted.published)
    lost = _falls_on(offsets, faults.lose_every)
    swapped = _falls_on(offsets, faults.reorder_every) & ~lost
    twice = _falls_on(offsets, faults.duplicate_every) & ~lost & ~swapped
    for fault, planted, value in (
        (f"1 in {faults.lose_every} lost", lost, counted.lost),
        (f"1 in {faults.duplicate_every} twice", twice, counted.duplicates),
        (f"1 in {faults.reorder_every} out of order", swapped, counted.out_of_order),
    ):
        yield _counted(found, fault, "deliveries", int(planted.sum()) * subscribers, value)


def other_clock(found: Found, tolerances: Tolerances) -> Iterator[Check]:
    """Check that a delivery which another clock stamped has arrived, and has no latency; the others' are as planted."""
    every, counted = found.faults.other_clock_every, found.counts
    subscribers = counted.expected // max(1, counted.published)
    planted = int(_falls_on(found.published_offset, every).sum()) * subscribers
    # What was due just before the measured phase may have come in it: only what was due in it is looked at.
    unknown = np.isnan(found.latency_ms) & np.isin(found.offset, found.published_offset)
    fault = f"1 in {every} by another clock"
    for figure, expected, value in (
        ("without latency", planted, int(unknown.sum())),
        ("received", counted.expected, counted.received),
    ):
        yield _counted(found, fault, figure, expected, value)
    for check in delay(found, tolerances, percents=(50,)):
        yield msgspec.structs.replace(check, fault=fault)


def slow_first_byte(found: Found, tolerances: Tolerances) -> Iterator[Check]:
    """Check how long it takes to connect."""
    planted_ms = found.faults.first_byte_ms
    median_ms = float(np.median(found.connect_ms)) if found.connect_ms else None
    fault = f"first byte after {planted_ms:g} ms"
    yield _timed(found, fault, "connect p50", planted_ms, median_ms, tolerances.connect_ms)


def short_freeze(trial: Trial, found: Found, room: int, tolerances: Tolerances) -> Iterator[Check]:
    """Check the longest latency that a freeze leaves in a room: who was due first in it waits until its end."""
    faults = found.faults
    begin_ms = _frozen_at_ms(trial, faults.freeze_after)
    end_ms = begin_ms + 1e3 * faults.freeze_s
    due_ms = _due_ms(trial, room)
    planted_ms = end_ms - float(due_ms[due_ms >= begin_ms].min(initial=end_ms)) + found.grid_ms / 2
    bound_ms = planted_ms * tolerances.stall_percent / 100
    yield _timed(found, f"{faults.freeze_s:g} s freeze", "max", planted_ms, _greatest(trial, found, room), bound_ms)


def freeze(trial: Trial, found: Found, room: int, grace_s: float, tolerances: Tolerances) -> Iterator[Check]:
    """Check that what was due after a freeze for good is counted as unanswered, and as late as the trial lasted."""
    begin_ms, due_ms = _frozen_at_ms(trial, found.faults.freeze_after), _due_ms(trial, room)
    fault = "frozen for good"
    yield _counted(found, fault, "unanswered", int((due_ms > begin_ms).sum()), found.counts.unanswered)
    end_ms = trial.result.measured_to_ns / 1e6 + 1e3 * grace_s
    planted_ms = end_ms - float(due_ms[due_ms >= begin_ms].min(initial=end_ms))
    greatest_ms = _greatest(trial, found, room)
    late_ms = greatest_ms if isinstance(greatest_ms, AtLeast) else None  # an exact figure is not what was planted
    yield _timed(found, fault, "max, at least", planted_ms, late_ms, planted_ms * tolerances.stall_percent / 100)


def refusals(trial: Trial, found: Found, room: int) -> Iterator[Check]:
    """Check that refused publications are counted as such. Fewer are due in the warm-up than it takes to refuse one."""
    every = found.faults.refuse_every
    everything = pq.read_table(trial.folder / "publishes.parquet", columns=["room"])["room"].to_numpy()
    planted = int((everything == room).sum()) // every
    yield _counted(found, f"1 in {every} refused", "publications", planted, found.counts.refused)


def replays(trial: Trial, found: Found, room: int, cell: CellSpec, tolerances: Tolerances) -> Iterator[Check]:
    """Check that a replay which forgets an event, one that doubles it, and late ones are found."""
    faults, counted, disrupt = found.faults, found.counts, cell.disrupt
    assert disrupt is not None
    away = pq.read_table(trial.folder / "outages.parquet")
    away = away.filter(pa.array(away["subscriber"].to_numpy() % found.load.rooms == room))
    samples = pq.read_table(trial.folder / "samples.parquet", filters=[("room", "==", room)])
    cuts = outages.figures(samples, away, counted, trial.result, disrupt, resume=cell.resume)
    yield _counted(found, "1 event forgotten in a replay", "lost", 1, counted.lost)
    yield _counted(found, "1 event twice in a replay", "duplicates", 1, counted.duplicates)
    late = f"replays {faults.replay_late_ms / 1e3:g} s late"
    yield _timed(found, late, "back p50", faults.replay_late_ms, cuts.back_ms.get("p50"), tolerances.connect_ms)


def _frozen_at_ms(trial: Trial, publications: int) -> float:
    """Return when the publication was due after which the server froze: in all rooms they come as they are due."""
    due_ns = np.sort(pq.read_table(trial.folder / "publishes.parquet")["scheduled_ns"].to_numpy())
    return float(due_ns[publications - 1]) / 1e6 if len(due_ns) >= publications else float("inf")


def _due_ms(trial: Trial, room: int) -> Floats:
    return np.asarray(trial.publishes["scheduled_ns"][trial.publishes["room"] == room] / 1e6, dtype=np.float64)


def _greatest(trial: Trial, found: Found, room: int) -> float | None:
    """Return the greatest latency of a room as the lab states it."""
    received, sent = (
        latency.measured(pq.read_table(trial.folder / f"{name}.parquet", filters=[("room", "==", room)]).to_pandas())
        for name in ("samples", "publishes")
    )
    missing = latency.missing_of(found.counts, found.load.subscribers, found.load.rooms, received, sent)
    ascending = latency.ascending(latency.delivery_latency_ms(latency.timed(received)), missing.at_least_ms)
    return latency.percentiles(ascending.ms, ascending.exact).max_ms


def _counted(found: Found, fault: str, figure: str, planted: int, value: int) -> Check:
    return Check(
        transport=found.target.name, fault=fault, figure=figure, unit="",
        planted=float(planted), found=float(value), bound=0.0,
    )  # fmt: skip


def _timed(found: Found, fault: str, figure: str, planted_ms: float, value_ms: float | None, bound_ms: float) -> Check:
    return Check(
        transport=found.target.name, fault=fault, figure=figure, unit="ms", planted=planted_ms,
        found=None if value_ms is None or np.isnan(value_ms) else float(value_ms), bound=bound_ms,
    )  # fmt: skip


def _bound(found: Found, tolerances: Tolerances, percent: int) -> float:
    if found.target.on_a_grid:
        return tolerances.grid_p50_ms if percent == 50 else tolerances.grid_p99_ms
    return tolerances.p50_ms if percent == 50 else tolerances.p99_ms


def _falls_on(offsets: Integers, every: int) -> npt.NDArray[np.bool_]:
    return offsets % every == 0 if every else np.zeros(len(offsets), dtype=np.bool_)
