"""The short calibration at the start of a comparison: some seconds, all transports, before the first cell."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.evidence.calibration import suite
from loadtests.evidence.calibration.trial import TrialError
from loadtests.records.calibration import Check
from loadtests.records.errors import GeneratorError
from loadtests.records.schema import Value
from loadtests.run.targets import Target


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
    """Calibrate the transports' clients side by side; a trial that fails is told, never raised."""
    started = time.monotonic()
    spoken = suite.spoken(targets)
    left_out = tuple(target.name for target in targets if target not in spoken)
    checks: tuple[Check, ...] = ()
    failure = ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            checks = tuple(suite.short(spoken, Path(folder)))
    except (TrialError, GeneratorError) as error:
        failure = str(error)
    return Preflight(checks, left_out, time.monotonic() - started, failure)
