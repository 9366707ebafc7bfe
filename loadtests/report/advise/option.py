"""One transport in a case, with everything that is said of it. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.report.advise.bill import Bill
from loadtests.report.advise.figure import Figure
from loadtests.report.advise.risks import Risk
from loadtests.report.advise.sizing import Size


@dataclass(frozen=True, slots=True)
class Option:
    """One transport in this case; None: neither measured nor modelled. `out`: why it takes no part."""

    transport: str
    p50_ms: Figure | None
    p99_ms: Figure | None
    wire_bytes: Figure | None
    cpu_us: Figure | None  # per delivery
    memory_kib: Figure | None  # per idle connection
    capacity_per_s: Figure | None  # deliveries of one core, at the share of it that is planned for
    size: Size | None
    bill: Bill | None
    risks: tuple[Risk, ...]
    window_s: float | None
    two_way: bool
    out: str
