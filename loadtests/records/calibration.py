"""What a calibration found, as it lies on disk: planted truths beside what the instrument made of them. Values only.

A short form stands in each run's `run.json` (`Run.calibration`); `rtlab calibrate` writes a whole `Calibration` as
JSON beside the runs.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.records import json_file
from loadtests.records.gates import Move

CALIBRATION_VERSION = 1


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One planted truth. `found` is None where nothing could be measured; that is never within the bound."""

    transport: str
    fault: str  # what was planted: "5 ms delay", "1 % lost", …
    figure: str  # what of it is compared: "p50", "deliveries", …
    unit: str  # "ms", or "" for counts
    planted: float
    found: float | None
    bound: float  # the greatest error, of either sign, that is stated for this figure; in `unit`

    @property
    def error(self) -> float | None:
        """Found minus planted, in `unit`."""
        return None if self.found is None else self.found - self.planted

    @property
    def within(self) -> bool:
        """Whether the error stays within the bound."""
        return self.error is not None and abs(self.error) <= self.bound


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies of one way to measure, in ms, with an empirical distribution thinned for drawing."""

    messages: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float
    latency_ms: tuple[float, ...]  # ascending
    fraction: tuple[float, ...]  # of the messages that took at most so long


class Omission(msgspec.Struct, frozen=True, kw_only=True):
    """Coordinated omission: the same stalled server measured from a schedule and by a closed loop."""

    transport: str
    rate_per_s: float
    measured_s: float
    stall_s: float
    from_schedule: Distribution
    closed_loop: Distribution


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two conditions as the lab compares them: difference of medians in ms with its 95 % interval."""

    name: str
    difference_ms: float
    low_ms: float
    high_ms: float
    smallest_detectable_ms: float
    indistinguishable: bool


class SelfTest(msgspec.Struct, frozen=True, kw_only=True):
    """A/A: one transport against itself, again and again; and once two different ones."""

    transport: str
    run_id: str
    allowed: int  # so many may come out different by chance
    repeats: tuple[Comparison, ...]
    left_out: int  # repeats that could not be compared: a side was invalid
    between: tuple[Comparison, ...]

    @property
    def different(self) -> int:
        """How many repeats called the transport different from itself."""
        return sum(not repeat.indistinguishable for repeat in self.repeats)

    @property
    def passed(self) -> bool:
        """Whether that is no more than chance explains."""
        return self.different <= self.allowed


class Weakened(msgspec.Struct, frozen=True, kw_only=True):
    """A cell whose generator was given too little processor time on purpose: it must come out invalid."""

    means: str  # how it was throttled, in words
    validity: str
    reasons: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether the lab refused to believe it."""
        return self.validity == "invalid"


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """One calibration. Parts that were not asked for are empty."""

    calibration_version: int
    form: str  # "short", "full", "part" or "gates"
    started_utc: str
    elapsed_s: float
    commit: str | None
    host: dict[str, str | int | float | bool | None]
    checks: tuple[Check, ...] = ()
    left_out: tuple[str, ...] = ()  # transports whose client no fault server speaks to
    weakened: Weakened | None = None
    omission: Omission | None = None
    self_test: SelfTest | None = None
    gates: tuple[Move, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything that was asked for came out as it must."""
        return (
            all(check.within for check in self.checks)
            and (self.weakened is None or self.weakened.refused)
            and (self.self_test is None or self.self_test.passed)
        )


def load(path: Path) -> Calibration:
    """Read a calibration; RunError where the file is missing, or is none of this version."""
    found = json_file.read(path, Calibration, "a calibration")
    json_file.need(path, found.calibration_version, CALIBRATION_VERSION)
    return found
