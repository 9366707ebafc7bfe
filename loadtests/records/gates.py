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


BEFORE = {"late reader": 1.0, "late publisher": 1.0, "hub lag": 2.0, "hog": 25.0}
"""Where each figure made a cell doubtful before the study; in ms, and of the hog in per cent of a core."""


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

    It moves something if the greatest level moved one transport's percentile by more than the stated error; the figure
    at which the error is reached follows by proportion, the least of all transports. It moves nothing if no
    interval of the greatest level leaves the stated error, and no smaller level moved anything: more of a disturbance
    does not move less. Else the study could not tell, and no bound may follow from it.
    """
    ours = [move for move in moves if move.disturbance == disturbance and move.pushes == pushes]
    greatest_ms = max((move.level_ms for move in ours), default=0.0)
    reached = [
        (move.planted - move.control) * shift.stated_ms / abs(shift.value_ms)
        for move in ours
        for shift in _shifts(move)
        if move.level_ms == greatest_ms and shift.moved and move.planted > move.control
    ]
    if reached:
        return Ruling(Finding.MOVES, min(reached))
    last = [move for move in ours if move.level_ms == greatest_ms]
    if last and all(shift.still if move in last else not shift.moved for move in ours for shift in _shifts(move)):
        return Ruling(Finding.STILL, min(move.planted for move in last))
    return Ruling(Finding.UNDECIDED)


class Bound(msgspec.Struct, frozen=True):
    """Where a gate's figure makes a cell doubtful, and where it is only noted; infinite: nowhere."""

    doubtful_above: float = math.inf
    noted_above: float = math.inf


def bound(moves: Sequence[Move], disturbance: str, *, pushes: bool) -> Bound:
    """Return the bound that follows from the study for one kind of transport, rounded down to a figure people read."""
    before, ruling = BEFORE[disturbance], rule(moves, disturbance, pushes=pushes)
    if ruling.finding is Finding.STILL:
        return Bound(noted_above=before)
    if ruling.finding is Finding.UNDECIDED:
        return Bound(before)
    step = 1.0 if disturbance == "hog" else 0.1
    return Bound(min(before, round(math.floor(ruling.figure / step + 1e-9) * step, 1)))


def _shifts(move: Move) -> tuple[Shift, Shift]:
    return move.p50, move.p99
