"""From trials with all transports side by side to checks: the server froze for a second, froze for good, refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq

from loadtests.evidence.calibration.findings import Floats, Found, Tolerances
from loadtests.evidence.calibration.trial import Trial
from loadtests.records.calibration import Check
from loadtests.report import latency
from loadtests.report.quantity import AtLeast


def short_freeze(trial: Trial, found: Found, room: int, tolerances: Tolerances) -> Iterator[Check]:
    """Check the longest latency that a freeze leaves in a room: who was due first in it waits until its end."""
    faults = found.faults
    begin_ms = _frozen_at_ms(trial, faults.freeze_after)
    end_ms = begin_ms + 1e3 * faults.freeze_s
    due_ms = _due_ms(trial, room)
    planted_ms = end_ms - float(due_ms[due_ms >= begin_ms].min(initial=end_ms)) + found.grid_ms / 2
    yield _at_most_off(
        found, f"{faults.freeze_s:g} s freeze", "max", planted_ms, _greatest(trial, found, room), tolerances
    )


def freeze(trial: Trial, found: Found, room: int, grace_s: float, tolerances: Tolerances) -> Iterator[Check]:
    """Check that what was due after a freeze for good is counted as unanswered, and as late as the trial lasted."""
    begin_ms, due_ms = _frozen_at_ms(trial, found.faults.freeze_after), _due_ms(trial, room)
    fault = "frozen for good"
    yield _counted(found, fault, "unanswered", int((due_ms > begin_ms).sum()), found.counts.unanswered)
    end_ms = trial.result.measured_to_ns / 1e6 + 1e3 * grace_s
    planted_ms = end_ms - float(due_ms[due_ms >= begin_ms].min(initial=end_ms))
    greatest_ms = _greatest(trial, found, room)
    bound_ms = greatest_ms if isinstance(greatest_ms, AtLeast) else None  # an exact figure is not what was planted
    yield _at_most_off(found, fault, "max, at least", planted_ms, bound_ms, tolerances)


def refusals(trial: Trial, found: Found, room: int) -> Iterator[Check]:
    """Check that refused publications are counted as such. Fewer are due in the warm-up than it takes to refuse one."""
    every = found.faults.refuse_every
    everything = pq.read_table(trial.folder / "publishes.parquet", columns=["room"])["room"].to_numpy()
    planted = int((everything == room).sum()) // every
    yield _counted(found, f"1 in {every} refused", "publications", planted, found.counts.refused)


def _frozen_at_ms(trial: Trial, publications: int) -> float:
    """Return when the publication was due after which the server froze: in all rooms they come as they are due."""
    due_ns = np.sort(pq.read_table(trial.folder / "publishes.parquet")["scheduled_ns"].to_numpy())
    return float(due_ns[publications - 1]) / 1e6 if len(due_ns) >= publications else float("inf")


def _due_ms(trial: Trial, room: int) -> Floats:
    due_ms: Floats = trial.publishes["scheduled_ns"][trial.publishes["room"] == room] / 1e6
    return due_ms


def _greatest(trial: Trial, found: Found, room: int) -> float | None:
    """Return the greatest latency of a room as the lab states it."""
    heard, sent = (
        latency.measured(pq.read_table(trial.folder / f"{name}.parquet", filters=[("room", "==", room)]).to_pandas())
        for name in ("samples", "publishes")
    )
    missing = latency.missing_of(found.counts, found.load.subscribers, found.load.rooms, heard, sent)
    ascending = latency.ascending(latency.delivery_latency_ms(latency.timed(heard)), missing.at_least_ms)
    return latency.percentiles(ascending.ms, ascending.exact).max_ms


def _counted(found: Found, fault: str, figure: str, planted: int, value: int) -> Check:
    return Check(
        transport=found.target.name, fault=fault, figure=figure, unit="",
        planted=float(planted), found=float(value), bound=0.0,
    )  # fmt: skip


def _at_most_off(
    found: Found, fault: str, figure: str, planted_ms: float, value_ms: float | None, tolerances: Tolerances
) -> Check:
    return Check(
        transport=found.target.name, fault=fault, figure=figure, unit="ms",
        planted=planted_ms, found=None if value_ms is None else float(value_ms),
        bound=planted_ms * tolerances.stall_percent / 100,
    )  # fmt: skip
