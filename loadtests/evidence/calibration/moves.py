"""From the pieces of the gates' study to what moved: disturbed windows minus the control windows beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadtests.evidence.calibration.findings import FULL
from loadtests.evidence.calibration.windows import GUARD_NS, WINDOW_NS, disturbed
from loadtests.records.gates import Move, Shift
from loadtests.records.schema import ABSENT_NS
from loadtests.run.targets import Target

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Integers]

TAKEN_NS = 500_000
"""How long generator and server together may wait for a processor within 10 ms, and how much later than planted a tick
or a publication may be: the error stated for a p99."""

_REPLICATES = 500
_CONFIDENCE_PERCENT = 95.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one piece of the study left: the measured phase of one generator, all transports side by side."""

    samples: Columns  # of `SAMPLES`
    publishes: Columns  # of `PUBLISHES`
    ticks: Integers  # of the hub, one row each, as `windows.TICKS` says


@dataclass(frozen=True, slots=True)
class Planted:
    """One disturbance at one level."""

    disturbance: str
    level_ms: float
    percent: float = 0.0  # of a core, that a hog takes


@dataclass(frozen=True, slots=True)
class Windowed:
    """Values with the pair of windows that each was due in, and whether its window was disturbed."""

    value: Floats
    pair: Integers
    on: npt.NDArray[np.bool_]

    def without(self, pairs: Integers) -> Windowed:
        """Return what does not belong to these pairs."""
        kept = ~np.isin(self.pair, pairs)
        return Windowed(self.value[kept], self.pair[kept], self.on[kept])

    def percentile(self, percent: float, *, on: bool) -> float:
        """Return it over one kind of window; NaN without values."""
        chosen = self.value[self.on == on]
        return float(np.percentile(chosen, percent)) if len(chosen) else float("nan")


def moved(planted: Planted, pieces: Sequence[Measured], target: Target, room: int) -> Move:
    """Compare the windows of all pieces with this disturbance, for the transport that has this room.

    Pushes that shared a read are left out of both kinds of window: a gate of its own (`batched_fraction`) watches them.
    So are pairs of windows in which others took the processor; how many is stated.
    """
    samples = [_of_room(piece.samples, room) for piece in pieces]
    taken = taken_pairs(pieces, planted)
    shared = joined((each["scheduled_ns"], each["batch_size"] > 1) for each in samples).without(taken)
    if target.pushes:
        samples = [_kept(each, each["batch_size"] == 1) for each in samples]
    every = joined((each["scheduled_ns"], _latency_ms(each)) for each in samples)
    latency = every.without(taken)
    gate = _gate(planted.disturbance, pieces, room)
    stated_ms = (FULL.grid_p50_ms, FULL.grid_p99_ms) if target.on_a_grid else (FULL.p50_ms, FULL.p99_ms)
    return Move(
        disturbance=planted.disturbance,
        level_ms=planted.level_ms,
        transport=target.name,
        pushes=target.pushes,
        planted=planted.percent if gate is None else gate.without(taken).percentile(99, on=True),
        control=0.0 if gate is None else gate.without(taken).percentile(99, on=False),
        shared_percent=100 * float(shared.value[shared.on].mean()) if shared.on.any() else 0.0,
        deliveries=int(latency.on.sum()),
        pairs=len(np.unique(every.pair)),
        left_out=len(np.unique(every.pair)) - len(np.unique(latency.pair)),
        p50=shift(latency, 50, stated_ms[0]),
        p99=shift(latency, 99, stated_ms[1]),
    )


def taken_pairs(pieces: Sequence[Measured], planted: Planted) -> Integers:
    """Return the pairs of windows in which something else held generator or server up.

    In one tick they waited too long for a processor, or a tick or a publication was late by more than was planted: the
    machine itself may stand still. Beside a hog, which does all that by design, only the control windows are looked at.
    """
    planted_ns = planted.level_ms * 1e6 if planted.disturbance in ("hub lag", "late publisher") else 0.0
    sent = [piece.publishes for piece in pieces]
    taken = [np.empty(0, dtype=np.int64)]
    for least_ns, parts in (
        (0.0, ((piece.ticks[1:, 0], np.diff(piece.ticks[:, 2])) for piece in pieces)),
        (planted_ns, ((piece.ticks[:, 0], piece.ticks[:, 1]) for piece in pieces)),
        (planted_ns, ((each["scheduled_ns"], each["sent_ns"] - each["scheduled_ns"]) for each in sent)),
    ):
        values = joined(parts)
        beyond = values.value > TAKEN_NS + least_ns * values.on
        taken.append(values.pair[beyond & ~values.on if planted.disturbance == "hog" else beyond])
    return np.unique(np.concatenate(taken))


def joined(parts: Iterator[tuple[Integers, npt.NDArray[np.generic]]]) -> Windowed:
    """Join the values of several pieces, each (when it was due in ns, its value): whole pairs, without the guards."""
    value, pairs, on = [], [], []
    for piece, (due_ns, values) in enumerate(parts):
        windows, place = np.unique(due_ns // WINDOW_NS, return_inverse=True)
        whole = np.isin(windows ^ 1, windows)  # the neighbour in its pair has values too
        kept = whole[place] & (due_ns % WINDOW_NS >= GUARD_NS)
        value.append(values[kept].astype(np.float64))
        pairs.append(piece * (1 << 40) + windows[place][kept] // 2)
        on.append(np.array([disturbed(int(window) * WINDOW_NS) for window in windows], dtype=np.bool_)[place][kept])
    return Windowed(np.concatenate(value), np.concatenate(pairs), np.concatenate(on))


def shift(values: Windowed, percent: float, stated_ms: float) -> Shift:
    """Return by how much a percentile moved, with an interval from resampling the pairs of windows."""
    nothing = float("nan")
    if not (values.on.any() and (~values.on).any()):
        return Shift(nothing, nothing, nothing, stated_ms)
    _, place = np.unique(values.pair, return_inverse=True)
    count = int(place.max()) + 1
    draws = np.random.default_rng(1).multinomial(count, np.full(count, 1 / count), size=_REPLICATES)
    weights = np.vstack([np.ones(count), draws])  # the first row is the data themselves
    ends = [_weighted(values.value[values.on == on], place[values.on == on], weights, percent) for on in (True, False)]
    moves = ends[0] - ends[1]
    beyond = (100 - _CONFIDENCE_PERCENT) / 2
    low_ms, high_ms = np.nanpercentile(moves[1:], [beyond, 100 - beyond])
    return Shift(float(moves[0]), float(low_ms), float(high_ms), stated_ms)


def _weighted(value: Floats, place: Integers, weights: Floats, percent: float) -> Floats:
    """Return the percentile of `value`, one for each row of weights; a value weighs what its pair does."""
    order = np.argsort(value)
    cumulative = np.cumsum(weights[:, place[order]], axis=1)
    rank = np.maximum(cumulative[:, -1:] * percent / 100, np.finfo(np.float64).tiny)
    return np.asarray(value[order][np.argmax(cumulative >= rank - 1e-6, axis=1)], dtype=np.float64)


def _gate(disturbance: str, pieces: Sequence[Measured], room: int) -> Windowed | None:
    """Return the values that the gate's figure is the p99 of, in ms; None of a hog, whose share is planted."""
    if disturbance == "hog":
        return None
    if disturbance == "hub lag":
        return joined((piece.ticks[:, 0], piece.ticks[:, 1] / 1e6) for piece in pieces)
    if disturbance == "late publisher":
        sent = [_of_room(piece.publishes, room) for piece in pieces]
        return joined((each["scheduled_ns"], (each["sent_ns"] - each["scheduled_ns"]) / 1e6) for each in sent)
    read = [_of_room(piece.samples, room) for piece in pieces]
    read = [_kept(each, each["kernel_rx_ns"] != ABSENT_NS) for each in read]
    return joined((each["scheduled_ns"], (each["user_rx_ns"] - each["kernel_rx_ns"]) / 1e6) for each in read)


def _latency_ms(samples: Columns) -> Floats:
    kernel_ns = samples["kernel_rx_ns"]
    received_ns = np.where(kernel_ns == ABSENT_NS, samples["user_rx_ns"], kernel_ns)
    return np.asarray((received_ns - samples["scheduled_ns"]) / 1e6, dtype=np.float64)


def _of_room(columns: Columns, room: int) -> Columns:
    return _kept(columns, columns["room"] == room)


def _kept(columns: Columns, rows: npt.NDArray[np.bool_]) -> Columns:
    return {name: column[rows] for name, column in columns.items()}
