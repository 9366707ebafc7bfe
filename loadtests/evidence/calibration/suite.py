"""What is planted in which trial, for each transport, and what came of it: the long form, and the short one.

The long form gives each transport and fault a server and a generator of their own, as cells have; only a fault of the
whole server meets all transports together. The short form puts all transports into one generator against one server,
and plants only what a few seconds can show.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from loadtests.evidence.calibration import findings
from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.findings import FULL, SHORT, Found
from loadtests.evidence.calibration.trial import (
    RAW_USERS,
    Trial,
    TrialError,
    describe_cell,
    fault_server,
    run_generator,
    run_trial,
)
from loadtests.records.calibration import Check
from loadtests.records.cell_spec import Load
from loadtests.records.disruption import Disruption
from loadtests.records.errors import GeneratorError
from loadtests.records.schema import Value
from loadtests.run.targets import Target

_GOLDEN = 1.6180339887498949  # messages so many grids apart meet all phases of the grid evenly, however few they are
_GRID_S = 0.015
_RATE_PER_S = 1 / (_GRID_S * _GOLDEN)
_SHORT_RATE_PER_S = 30.0
_OUTAGE_RATE_PER_S = 20.0
_GRACE_S = 0.5
_SUBSCRIBERS = 2  # each further one comes later by what the fault server takes to write to it
_CUTS = Disruption(up_s=1.4, offline_s=0.4)  # some replays in each room, each over a second before the next cut
_STALL_AFTER = 100  # of 10 s at 20 messages a second, after half a second of warm-up: in the middle

Report = Callable[[str], None]


def spoken(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Keep the transports whose client the fault server speaks to."""
    return tuple(target for target in targets if target.user_class in RAW_USERS)


def full(targets: Sequence[Target], folder: Path, report: Report) -> Iterator[Check]:
    """Run every trial for every transport; raises TrialError. `report` gets what is being done."""
    chosen = spoken(targets)
    for target in chosen:
        for planted in EACH:
            report(f"{target.name}: {planted.name}")
            yield from planted.checks(planted.measure(target, folder / target.name / planted.name)[0])
    for name, shared in TOGETHER.items():
        report(f"all transports: {name}")
        yield from shared(chosen, folder / name)


def short(targets: Sequence[Target], folder: Path) -> Iterator[Check]:
    """Run one trial of some seconds with all transports side by side; raises TrialError."""
    chosen = spoken(targets)
    if not chosen:
        return
    load = _shared(chosen, _SHORT_RATE_PER_S, 1 / (_SHORT_RATE_PER_S * _GOLDEN))
    faults = Faults(lose_every=20, duplicate_every=33, reorder_every=45)
    trial = _run_together(chosen, load, faults, folder, measured_s=1.8, grace_s=0.2)
    for room, target in enumerate(chosen):
        found = findings.of(trial, target, load, faults, room)
        yield from findings.delay(found, SHORT, percents=(50,))
        yield from findings.losses(found)


@dataclass(frozen=True, slots=True)
class Preflight:
    """What came of it; `failure` says why nothing did."""

    checks: tuple[Check, ...]
    left_out: tuple[str, ...]  # transports that are not calibrated
    elapsed_s: float
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything planted was found, within what is stated."""
        return not self.failure and all(check.within for check in self.checks)

    def section(self) -> dict[str, Value]:
        """Return what the manifest says of it; the figures themselves are in `Run.calibration`."""
        outside = [f"{check.transport} {check.fault} {check.figure}" for check in self.checks if not check.within]
        return {
            "passed": self.passed,
            "checks": len(self.checks),
            "outside": "; ".join(outside) or "none",
            "not_calibrated": ", ".join(self.left_out) or "none",
            "failure": self.failure or "none",
            "seconds": round(self.elapsed_s, 1),
        }

    def sentence(self) -> str:
        """Say it in one line."""
        if self.failure:
            return f"calibration: not done ({self.failure})"
        if not self.checks:
            return f"calibration: none of {', '.join(self.left_out)} can be calibrated"
        outside = sum(not check.within for check in self.checks)
        found = f"{len(self.checks) - outside} of {len(self.checks)} planted truths found within what is stated"
        left_out = f"; not calibrated: {', '.join(self.left_out)}" if self.left_out else ""
        return f"calibration: {found}, in {self.elapsed_s:.1f} s{left_out}"


def preflight(targets: Sequence[Target]) -> Preflight:
    """Calibrate the transports' clients side by side; a trial that fails is a `failure`, never raised."""
    started = time.monotonic()
    calibrated = spoken(targets)
    left_out = tuple(target.name for target in targets if target not in calibrated)
    checks: tuple[Check, ...] = ()
    failure = ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            checks = tuple(short(calibrated, Path(folder)))
    except (TrialError, GeneratorError) as error:
        failure = str(error)
    return Preflight(checks, left_out, time.monotonic() - started, failure)


def _freeze_and_refusals(chosen: Sequence[Target], folder: Path) -> Iterator[Check]:
    load = _shared(chosen, _OUTAGE_RATE_PER_S, _GRID_S)
    faults = Faults(delay_ms=0.0, freeze_after=_freeze_after(chosen, load), freeze_s=1.0, refuse_every=10)
    trial = _run_together(chosen, load, faults, folder, measured_s=2.5, grace_s=0.5)
    for room, target in enumerate(chosen):
        found = findings.of(trial, target, load, faults, room)
        yield from findings.short_freeze(trial, found, room, FULL)
        yield from findings.refusals(trial, found, room)


def _freeze_for_good(chosen: Sequence[Target], folder: Path) -> Iterator[Check]:
    load = _shared(chosen, _OUTAGE_RATE_PER_S, _GRID_S)
    faults = Faults(delay_ms=0.0, freeze_after=_freeze_after(chosen, load))
    trial = _run_together(chosen, load, faults, folder, measured_s=2.0, grace_s=_GRACE_S)
    for room, target in enumerate(chosen):
        yield from findings.freeze(trial, findings.of(trial, target, load, faults, room), room, _GRACE_S, FULL)


def _cuts(chosen: Sequence[Target], folder: Path) -> Iterator[Check]:
    shared = _shared(chosen, _OUTAGE_RATE_PER_S, _GRID_S)
    load = msgspec.structs.replace(shared, subscribers=_SUBSCRIBERS * len(chosen))
    faults = Faults(delay_ms=0.0, forget_in_replay=1, double_in_replay=2, replay_late_ms=1000.0)
    with fault_server(faults) as port:
        cell = describe_cell(chosen[0].user_class, port, load, warm_up_s=0.0, measured_s=3.6, grace_s=2.0)
        classes = tuple(target.user_class for target in chosen)
        cell = msgspec.structs.replace(cell, room_classes=classes, disrupt=_CUTS)
        trial = run_generator(cell, folder)
    for room, target in enumerate(chosen):
        yield from findings.replays(trial, findings.of(trial, target, load, faults, room), room, cell, FULL)


def _freeze_after(chosen: Sequence[Target], load: Load) -> int:
    """Return how many publications go before a freeze: of 0.2 s of warm-up and half a second.

    Each room has had as many, and the next is one to whom polls come on a grid: what was due there before is longer ago
    than the grid, and has been fetched.
    """
    on_a_grid = next((room for room, target in enumerate(chosen) if target.on_a_grid), 0)
    return load.rooms * int(load.rate_per_s * 0.7) + on_a_grid


def _run_together(chosen: Sequence[Target], load: Load, faults: Faults, folder: Path, **settings: float) -> Trial:
    """Run one generator with a room for each transport."""
    with fault_server(faults) as port:
        cell = describe_cell(chosen[0].user_class, port, load, warm_up_s=0.2, **settings)
        classes = tuple(target.user_class for target in chosen)
        return run_generator(msgspec.structs.replace(cell, room_classes=classes), folder)


def _shared(chosen: Sequence[Target], rate_per_s: float, poll_interval_s: float) -> Load:
    return Load(
        name="together",
        subscribers=len(chosen),
        rooms=len(chosen),
        rate_per_s=rate_per_s,
        poll_interval_s=poll_interval_s,
    )


@dataclass(frozen=True, slots=True)
class Planted:
    """One trial of one transport: what is planted under which load, the cell's timings, and how it is checked."""

    name: str
    load: Load
    faults: Faults
    settings: Mapping[str, float]
    checks: Callable[[Found], Iterator[Check]]

    def measure(self, target: Target, folder: Path) -> tuple[Found, Trial]:
        """Run a fault server and a generator for `target`; raises TrialError."""
        trial = run_trial(target.user_class, self.load, self.faults, folder, **self.settings)
        return findings.of(trial, target, self.load, self.faults), trial


def _load(*, rate_per_s: float) -> Load:
    return Load(name="calibration", subscribers=_SUBSCRIBERS, rate_per_s=rate_per_s, poll_interval_s=_GRID_S)


STALL = Planted(
    "stall",
    _load(rate_per_s=20.0),
    Faults(delay_ms=0.0, stall_after=_STALL_AFTER, stall_s=1.0),
    {"measured_s": 10.0},
    partial(findings.stall, tolerances=FULL),
)
"""A server that stops for a second in the middle of ten."""

EACH = (
    Planted(
        "delay",
        _load(rate_per_s=_RATE_PER_S),
        Faults(delay_ms=5.0),
        {"measured_s": 12.5},  # more than a thousand deliveries: a p99 of fewer has less than ten beyond it
        partial(findings.delay, tolerances=FULL),
    ),
    Planted(
        "two points",
        _load(rate_per_s=_RATE_PER_S),
        Faults(delay_ms=5.0, late_ms=20.0, late_every=3),  # neither value has the grid's even phases to itself
        {"measured_s": 6.0},
        partial(findings.two_points, tolerances=FULL),
    ),
    Planted(
        "losses",
        _load(rate_per_s=100.0),
        Faults(delay_ms=1.0, lose_every=100, duplicate_every=170, reorder_every=230),  # of 300: 3, 1 and 1
        {"warm_up_s": 0.0, "measured_s": 3.0},
        findings.losses,
    ),
    STALL,
    Planted(
        "first byte",
        _load(rate_per_s=20.0),
        Faults(first_byte_ms=200.0),
        {"measured_s": 0.5},
        partial(findings.slow_first_byte, tolerances=FULL),
    ),
    Planted(
        "other clock",
        _load(rate_per_s=_RATE_PER_S),
        Faults(delay_ms=5.0, other_clock_every=3),
        {"measured_s": 3.0},
        partial(findings.other_clock, tolerances=FULL),
    ),
)
"""Trials of one transport at a time."""

TOGETHER: Mapping[str, Callable[[Sequence[Target], Path], Iterator[Check]]] = {
    "freeze and refusals": _freeze_and_refusals,
    "freeze for good": _freeze_for_good,
    "cuts": _cuts,
}
"""Trials of all transports side by side."""
