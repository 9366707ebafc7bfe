"""What the study of the gates found, as it lies on disk, and what follows from it for a bound. Values and one rule.

A gate is a limit of one figure of the instrument's health (`loadtests.run.validity`). The study plants what the gate
watches for, and measures by how much the latencies move.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import msgspec

GATES = {
    "late reader": "rx_gap_ms_p99",
    "late publisher": "publish_lateness_ms_p99",
    "hub lag": "hub_lag_ms_p99",
    "hog": "foreign_cpu_percent",
}
"""What is planted, and the figure (of `schema.Instrument`) that is to show it."""


class Shift(msgspec.Struct, frozen=True):
    """By how much a percentile moved, in ms: disturbed windows minus control windows, with its 95 % interval."""

    value_ms: float
    low_ms: float
    high_ms: float
    stated_ms: float  # the error that calibration states for this percentile

    @property
    def moved(self) -> bool:
        """Whether it moved by more than the stated error."""
        return self.low_ms > self.stated_ms or self.high_ms < -self.stated_ms

    @property
    def still(self) -> bool:
        """Whether it moved by no more than the stated error."""
        return -self.stated_ms <= self.low_ms and self.high_ms <= self.stated_ms


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One disturbance at one level, and what it did to one transport."""

    disturbance: str  # a key of GATES
    level_ms: float
    transport: str
    pushes: bool
    planted: float  # the gate's figure in the disturbed windows; of a hog: what it took
    control: float  # the same in the control windows
    shared_percent: float  # of the deliveries in disturbed windows: how many shared a read with another
    deliveries: int  # in the disturbed windows
    pairs: int  # of a disturbed and a control window each
    left_out: int  # of these: others took the processor meanwhile
    p50: Shift
    p99: Shift


class Finding(StrEnum):
    """What the study says of one gate and one kind of transport."""

    STILL = "moves nothing"
    MOVES = "moves"
    UNDECIDED = "undecided"


class Ruling(msgspec.Struct, frozen=True):
    """A finding with the figure that it holds for.

    STILL: the greatest that was planted. MOVES: where the stated error is reached. UNDECIDED: no figure.
    """

    finding: Finding
    figure: float = math.nan


def rule(moves: Sequence[Move], disturbance: str, *, pushes: bool) -> Ruling:
    """Say what one disturbance does to one kind of transport.

    It moves something if it moved one transport's percentile by more than the stated error, at a level and at the
    greatest: of many intervals at 95 % some are off by chance. The figure at which the error is reached follows by
    proportion, from the level that gives the least. It moves nothing if no interval leaves the stated error, at every
    level. Else the study could not tell, and no bound may follow from it.
    """
    ours = [move for move in moves if move.disturbance == disturbance and move.pushes == pushes]
    greatest_ms = max((move.level_ms for move in ours), default=0.0)
    last = {move.transport: _shifts(move) for move in ours if move.level_ms == greatest_ms}
    reached = [
        (move.planted - move.control) * shift.stated_ms / abs(shift.value_ms)
        for move in ours
        for shift, at_last in zip(_shifts(move), last.get(move.transport, ()), strict=False)
        if shift.moved and at_last.moved and move.planted > move.control
    ]
    if reached:
        return Ruling(Finding.MOVES, min(reached))
    if ours and all(shift.still for move in ours for shift in _shifts(move)):
        return Ruling(Finding.STILL, min(move.planted for move in ours if move.level_ms == greatest_ms))
    return Ruling(Finding.UNDECIDED)


def _shifts(move: Move) -> tuple[Shift, Shift]:
    return move.p50, move.p99
