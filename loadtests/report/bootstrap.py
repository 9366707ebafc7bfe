"""Intervals for percentiles, by resampling run blocks and, inside them, time blocks.

Deliveries are not independent: one publication reaches everybody at once, and a busy second is busy for all. So what
is resampled is never a single delivery but a *time block* (half a second of schedule) inside a *run block* (one pass of
the interleaved plan). With three run blocks the plain bootstrap is too narrow where run blocks differ and too wide
where they do not; its spread is therefore rescaled to the variance that the run blocks show and widened by Student's t
at the Welch-Satterthwaite degrees of freedom. `docs/methodology.md` has the derivation and the coverage found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from loadtests.report.latency import FloatArray, IntArray
from loadtests.report.quantity import AtLeast, AtMost

TIME_BLOCK_S = 0.5
CONFIDENCE = 0.95
RESOLUTION_MS = 0.01
"""Kernel stamps are true to about 10 us: no difference below it is ever called one."""

_REPLICATES = 1000
_NORMAL_975 = 1.959964
_NORMAL_80 = 0.841621  # power of 80 %


@dataclass(frozen=True, slots=True)
class BlockedLatency:
    """Latencies of one condition, counted per time block and value bin.

    `counts[t, v]` deliveries of time block `t` lie in bin `v`, whose mean is `value_ms[v]` (ascending);
    time block `t` belongs to run block `run_block[t]`. With up to 2048 deliveries nothing is lost. Deliveries
    that never came are counted at their lower bounds: a percentile from `known_below_ms` on is a lower bound.
    """

    counts: FloatArray
    value_ms: FloatArray
    run_block: IntArray
    known_below_ms: float = math.inf

    @property
    def cumulated(self) -> FloatArray:
        """`counts` up to each bin: what resamples weigh, so that no resample is cumulated anew."""
        return np.cumsum(self.counts, axis=1)

    @property
    def run_blocks(self) -> IntArray:
        """The distinct run blocks, ascending."""
        return np.unique(self.run_block)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A percentile in ms with its 95 % interval; an `AtLeast` where it, or an end, is only known from below."""

    value_ms: float
    low_ms: float
    high_ms: float
    run_blocks: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Percentile of one condition minus that of another, in ms, with its 95 % interval.

    A percentile that is only known from below leaves the difference open at one end, which is infinite then.
    """

    value_ms: float  # an `AtLeast` or `AtMost` where one of the percentiles is only known from below
    low_ms: float
    high_ms: float
    smallest_detectable_ms: float  # found in 80 % of such runs, if it were the truth

    @property
    def indistinguishable(self) -> bool:
        """Whether the interval, widened by the instrument's resolution, holds zero; never where it is not known."""
        return self.known and self.low_ms - RESOLUTION_MS <= 0 <= self.high_ms + RESOLUTION_MS

    @property
    def known(self) -> bool:
        """Whether the interval says anything of zero: it is closed, or its closed end excludes zero."""
        closed = math.isfinite(self.low_ms) and math.isfinite(self.high_ms)
        return closed or self.low_ms - RESOLUTION_MS > 0 or self.high_ms + RESOLUTION_MS < 0

    @property
    def direction(self) -> str:
        """Whether the one condition is slower or faster than the other."""
        return "slower" if self.value_ms > 0 else "faster"

    @property
    def size_ms(self) -> float:
        """How large the difference is, whichever way."""
        size, open_end = abs(float(self.value_ms)), AtLeast if self.value_ms > 0 else AtMost
        return AtLeast(size) if isinstance(self.value_ms, open_end) else size


@dataclass(frozen=True, slots=True)
class _ByRunBlock:
    """Each run block's own percentile, and the variance that one has from its time blocks alone."""

    value_ms: FloatArray
    within: float  # as replicates show it, mean over run blocks
    within_unbiased: float
    within_dof: int

    def minus(self, other: _ByRunBlock) -> _ByRunBlock:
        """Pair two conditions that ran in the same run blocks."""
        return _ByRunBlock(
            self.value_ms - other.value_ms,
            self.within + other.within,
            self.within_unbiased + other.within_unbiased,
            self.within_dof + other.within_dof,
        )


@dataclass(frozen=True, slots=True)
class _Spread:
    """Variances of a statistic: what the blocks show, what plain replicates have, and how well the first is known."""

    shown: float
    replicated: float
    dof: float


def block(
    latency_ms: FloatArray, scheduled_ns: IntArray, run_block: IntArray, known_below_ms: float = math.inf
) -> BlockedLatency:
    """Count latencies per time block. Arrays are aligned, one entry per delivery. Raises ValueError when empty.

    Missing deliveries are entries at their lower bounds, of which `known_below_ms` is the least.
    """
    if not len(latency_ms):
        raise ValueError("no deliveries to resample")
    time_block = scheduled_ns // int(TIME_BLOCK_S * 1e9)
    pairs, row = np.unique(np.stack([run_block, time_block]), axis=1, return_inverse=True)
    edges = _edges(np.sort(latency_ms))
    if math.isfinite(known_below_ms):
        edges = np.unique(np.append(edges, known_below_ms))  # no bin holds both what is known and what is not
    column = np.clip(np.searchsorted(edges, latency_ms, side="right") - 1, 0, len(edges) - 1)
    flat = row.ravel() * len(edges) + column
    counts = np.bincount(flat, minlength=pairs.shape[1] * len(edges)).reshape(-1, len(edges)).astype(np.float64)
    sums = np.bincount(column, weights=latency_ms, minlength=len(edges))
    return BlockedLatency(counts, sums / np.maximum(counts.sum(axis=0), 1), pairs[0], known_below_ms)


def estimate(sample: BlockedLatency, percent: float, seed: int = 0) -> Estimate:
    """Return a percentile with its interval."""
    rng = np.random.default_rng(seed)
    value = float(_pooled(sample, percent))
    labels = sample.run_blocks
    drawn = rng.integers(0, len(labels), (_REPLICATES, len(labels)))
    replicates = _replicates(sample, drawn, percent, rng)
    parts = _by_run_block(sample, percent, rng)
    low, high = _interval(value, replicates, _spread(parts))
    # Student's t is symmetric, latency is not: no percentile lies below the fastest delivery, nor p99 below the median.
    fastest = float(sample.value_ms[sample.counts.sum(axis=0) > 0][0])
    least = max(fastest, _pooled(sample, 50.0)) if percent > 50 else fastest
    is_open = high >= sample.known_below_ms or _is_open(sample, value, replicates, parts)
    return Estimate(
        _bounded(sample, value),
        _bounded(sample, max(low, least)),
        AtLeast(high) if is_open else high,
        len(labels),
    )


def difference(a: BlockedLatency, b: BlockedLatency, percent: float, seed: int = 0) -> Difference:
    """Return percentile of `a` minus percentile of `b`; paired by run block where both ran in the same ones."""
    rng = np.random.default_rng(seed)
    value_a, value_b = _pooled(a, percent), _pooled(b, percent)
    value = value_a - value_b
    paired = np.array_equal(a.run_blocks, b.run_blocks)
    drawn_a = rng.integers(0, len(a.run_blocks), (_REPLICATES, len(a.run_blocks)))
    drawn_b = drawn_a if paired else rng.integers(0, len(b.run_blocks), (_REPLICATES, len(b.run_blocks)))
    replicates_a, replicates_b = _replicates(a, drawn_a, percent, rng), _replicates(b, drawn_b, percent, rng)
    replicates = replicates_a - replicates_b
    parts_a, parts_b = _by_run_block(a, percent, rng), _by_run_block(b, percent, rng)
    spread = _spread(parts_a.minus(parts_b)) if paired else _sum(_spread(parts_a), _spread(parts_b))
    low, high = _interval(value, replicates, spread)
    # What is only known from below may be later still: `a` leaves the upper end open, `b` the lower one.
    high = math.inf if _is_open(a, value_a, replicates_a, parts_a) else high
    low = -math.inf if _is_open(b, value_b, replicates_b, parts_b) else low
    if value_a >= a.known_below_ms:
        value = AtLeast(value) if value_b < b.known_below_ms else math.nan
    elif value_b >= b.known_below_ms:
        value = AtMost(value)
    detectable = (high - low) / 2 * (_NORMAL_975 + _NORMAL_80) / _NORMAL_975 + RESOLUTION_MS
    return Difference(value, low, high, detectable)


def student_t(probability: float, dof: float) -> float:
    """Return the quantile (probability >= 0.5) of Student's t, integrating cos(u)^(dof-1), t = sqrt(dof) tan u."""
    u = np.linspace(0, np.pi / 2, 20_001)[:-1]
    density = np.cos(u) ** (dof - 1)
    area = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    angle = np.interp((2 * probability - 1) * area[-1], area, u)
    return float(np.sqrt(dof) * np.tan(angle))


def _edges(ascending_ms: FloatArray) -> FloatArray:
    """Lower edges of value bins: every value if few, else equal masses, finer towards the upper tail."""
    n = len(ascending_ms)
    if n <= 2048:
        return np.unique(ascending_ms)
    tail = 1 - np.geomspace(1 / n, 0.02, 500)
    fraction = np.concatenate([np.linspace(0, 0.98, 1000), tail])
    return np.unique(ascending_ms[np.clip((fraction * n).astype(np.int64), 0, n - 1)])


def _quantiles(cumulated: FloatArray, value_ms: FloatArray, percent: float) -> FloatArray:
    """For each row of weights cumulated over the bins: the first value at which they reach `percent`."""
    target = cumulated[:, -1:] * (percent / 100) - 1e-9
    index: IntArray = np.count_nonzero(cumulated < target, axis=1)
    return value_ms[np.minimum(index, len(value_ms) - 1)]


def _pooled(sample: BlockedLatency, percent: float) -> float:
    return float(_quantiles(sample.cumulated.sum(axis=0)[None, :], sample.value_ms, percent)[0])


def _bounded(sample: BlockedLatency, value_ms: float) -> float:
    return AtLeast(value_ms) if value_ms >= sample.known_below_ms else value_ms


def _is_open(sample: BlockedLatency, value: float, replicates: FloatArray, parts: _ByRunBlock) -> bool:
    """Whether the upper end of a percentile's interval rests on values that are only known from below."""
    known = sample.known_below_ms
    tail = float((replicates >= known).mean())
    return value >= known or tail > (1 - CONFIDENCE) / 2 or bool((parts.value_ms >= known).any())


def _replicates(sample: BlockedLatency, drawn: IntArray, percent: float, rng: np.random.Generator) -> FloatArray:
    """Percentiles of resamples: `drawn[b, :]` indexes the run blocks of replicate `b`; time blocks are drawn here."""
    weights = np.zeros((len(drawn), len(sample.run_block)))
    for index, label in enumerate(sample.run_blocks):
        rows = np.flatnonzero(sample.run_block == label)
        times = (drawn == index).sum(axis=1) * len(rows)
        weights[:, rows] = rng.multinomial(times, np.full(len(rows), 1 / len(rows)))
    return _quantiles(weights @ sample.cumulated, sample.value_ms, percent)


def _by_run_block(sample: BlockedLatency, percent: float, rng: np.random.Generator) -> _ByRunBlock:
    labels, cumulated = sample.run_blocks, sample.cumulated
    values, variances = [], []
    for label in labels:
        rows = cumulated[sample.run_block == label]
        values.append(_quantiles(rows.sum(axis=0)[None, :], sample.value_ms, percent)[0])
        weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=_REPLICATES // 4)
        variances.append(np.var(_quantiles(weights @ rows, sample.value_ms, percent)))
    dof = max(len(sample.run_block) - len(labels), 1)
    within = float(np.mean(variances))
    return _ByRunBlock(np.array(values), within, within * (dof + len(labels)) / dof, dof)


def _spread(parts: _ByRunBlock) -> _Spread:
    """Judge a mean over `k` run blocks: the variance between them (which holds that within) against that within."""
    k = len(parts.value_ms)
    if k == 1:
        return _Spread(parts.within_unbiased, parts.within, parts.within_dof)
    between = float(np.var(parts.value_ms, ddof=1))
    replicated = ((k - 1) / k * between + parts.within) / k
    shown = max(between, parts.within_unbiased) / k
    share = max(0.0, 1 - parts.within_unbiased / between) if between else 0.0
    return _Spread(shown, replicated, 1 / (share**2 / (k - 1) + (1 - share) ** 2 / parts.within_dof))


def _sum(a: _Spread, b: _Spread) -> _Spread:
    """Variances of independent terms add; degrees of freedom by Welch and Satterthwaite."""
    shown = a.shown + b.shown
    dof = shown**2 / (a.shown**2 / a.dof + b.shown**2 / b.dof) if shown else min(a.dof, b.dof)
    return _Spread(shown, a.replicated + b.replicated, dof)


def _interval(value: float, replicates: FloatArray, spread: _Spread) -> tuple[float, float]:
    """Quantiles of the replicates around `value`, rescaled to the variance shown and to Student's t."""
    low, high = np.quantile(replicates - value, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    scale = np.sqrt(spread.shown / spread.replicated) if spread.replicated else 1.0
    scale *= student_t((1 + CONFIDENCE) / 2, spread.dof) / _NORMAL_975
    return value + min(float(low * scale), 0.0), value + max(float(high * scale), 0.0)
