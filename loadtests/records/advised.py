"""What `rtlab advise --check` found, as it lies on disk (`advise-check.json`). Values only."""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.records import json_file

FILE = "advise-check.json"
P50_TOLERANCE, CPU_TOLERANCE = 0.2, 0.25
"""How far a measurement may be from what was advised, as a share of the measurement."""

WIDEST = 0.4
"""An interval wider than this share of its figure decides nothing."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one case: what was advised, and what a run at that very load measured, with its 95 % interval."""

    case: str
    transport: str
    figure: str
    unit: str
    advised: float
    how: str  # how it was known
    measured: float
    low: float
    high: float
    tolerance: float
    run_id: str

    @property
    def off(self) -> float:
        """Advised minus measured, as a share of the measurement."""
        return self.advised / self.measured - 1

    @property
    def width(self) -> float:
        """The interval's width as a share of the figure."""
        return (self.high - self.low) / self.measured

    @property
    def holds(self) -> bool:
        """Whether it is within its tolerance, and the interval narrow enough to say so."""
        return not self.fault

    @property
    def fault(self) -> str:
        """Why it does not hold; empty where it does."""
        if abs(self.off) > self.tolerance:
            return "does not hold"
        return f"decides nothing, an interval of {self.width:.0%}" if self.width > WIDEST else ""


class Checked(msgspec.Struct, frozen=True):
    """The document. `basis`: the run that advice was made from."""

    basis: str
    commit: str
    rows: tuple[Compared, ...]


def read(folder: Path) -> Checked | None:
    """Read the document of a folder; None where there is none. Raises RunError."""
    return json_file.read_if_there(folder / FILE, Checked, "a check of advice")


def write(folder: Path, checked: Checked) -> None:
    """Write the document whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(checked), indent=1) + b"\n")
