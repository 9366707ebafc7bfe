"""What the fan-out has set itself to reach, each as a ratio of runs that were neighbours in time, or a plain figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.evidence.bench.joins import Joins
from loadtests.evidence.bench.summary import Row, paired_ratio, spread
from loadtests.evidence.bench.systems import TRANSPORTS


@dataclass(frozen=True)
class Bar:
    """`ours` over `theirs` (or `ours` alone) of one quantity, and the bound it should keep."""

    words: str
    case: str
    key: str  # in the load client's output
    bound: float
    theirs: str | None = None
    at_least: bool = True

    def found(self, rows: Sequence[Row]) -> tuple[float, float, float] | None:
        """Median, least and greatest over the repeats; None where it was not measured."""
        if self.theirs is None:
            values = [row["result"][self.key] for row in rows if row["case"] == self.case and row["system"] == "direct"]
            return spread(values) if values else None
        return paired_ratio(rows, self.case, self.key, "direct", self.theirs)

    def floor(self, rows: Sequence[Row]) -> tuple[float, float, float] | None:
        """What the kernel's floor itself reaches where that is a bound: against nchan, when nothing can be joined."""
        if self.theirs != "nchan" or "-w1-" not in self.case:
            return None
        return paired_ratio(rows, self.case, self.key, "floor", self.theirs)

    def kept(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.bound if self.at_least else value <= self.bound


def _against(transport: str, window: int, theirs: str, bound: float) -> Bar:
    regime = "each message waits for the last" if window == 1 else "sixteen messages in flight"
    case = f"{transport}/n1000-w{window}-128B"
    return Bar(f"{transport}, {regime}: throughput against {theirs}", case, "dps", bound, theirs)


def _joins(transport: str, tabs: bool) -> Bar:
    whose = "tabs of one user" if tabs else "as many users, each told to everybody"
    load = Joins(2000, tabs=tabs)
    return Bar(f"{transport}: joins per second, 2,000 {whose}", f"{transport}/{load.name}", "connects_per_s", 2000.0)


BARS: Final = (
    _against("websocket", 1, "floor", 0.8),
    _against("websocket", 1, "nchan", 1.1),
    _against("websocket", 16, "floor", 5.0),
    _against("websocket", 16, "nchan", 7.0),
    _against("sse", 1, "floor", 0.7),
    _against("sse", 1, "nchan", 1.4),
    _against("sse", 16, "floor", 5.0),
    _against("sse", 16, "nchan", 10.0),
    _against("longpoll", 1, "nchan", 1.0),
    _against("longpoll", 16, "nchan", 3.0),
    Bar("websocket: KiB per idle connection", "websocket/memory-5000", "kib_per_conn", 20.0, at_least=False),
    Bar("sse: KiB per idle connection", "sse/memory-5000", "kib_per_conn", 15.0, at_least=False),
    Bar("longpoll: KiB per idle connection", "longpoll/memory-5000", "kib_per_conn", 10.0, at_least=False),
    *(_joins(transport, tabs) for transport in TRANSPORTS for tabs in (False, True)),
)


def half_rate_bars(rows: Sequence[Row]) -> list[Bar]:
    """p99 at half the floor's rate against the floor's own; the rate is what the floor gave."""
    cases = dict.fromkeys(row["case"] for row in rows if "-r" in row["case"].partition("/")[2])
    made: list[Bar] = []
    for case in cases:
        transport = case.partition("/")[0]
        if case.endswith(("stalled", "rooms")):
            continue
        made.append(
            Bar(f"{transport}: p99 at half the floor's rate, against the floor", case, "p99us", 1.3, "floor", False)
        )
    return made


def markdown(rows: Sequence[Row]) -> str:
    """A table of the bars: bound, what was found, whether it is kept; what the floor reaches, where it is a bound."""
    lines = ["| what | bound | found, median (range) | kept | the floor itself |", "|---|---|---|---|---|"]
    for bar in (*BARS, *half_rate_bars(rows)):
        found = bar.found(rows)
        sign = "at least" if bar.at_least else "at most"
        if found is None:
            lines.append(f"| {bar.words} | {sign} {bar.bound:g} | not measured | | |")
            continue
        kept = "yes" if bar.kept(found[0]) else "**no**"
        digits = 0 if bar.bound >= 100 else 2
        floor = bar.floor(rows)
        reach = "" if floor is None else _values(floor, digits)
        lines.append(f"| {bar.words} | {sign} {bar.bound:,g} | {_values(found, digits)} | {kept} | {reach} |")
    lines += _stalled(rows)
    return "\n".join(lines)


def _values(found: tuple[float, float, float], digits: int) -> str:
    middle, least, most = found
    return f"{middle:,.{digits}f} ({least:,.{digits}f} to {most:,.{digits}f})"


def _stalled(rows: Sequence[Row]) -> list[str]:
    """p99 of the others beside one stalled reader, against the same load without it."""
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows if row["case"].endswith("stalled")):
        beside = [row["result"]["p99us"] for row in rows if row["case"] == case]
        alone_case = case.rpartition("-")[0]
        alone = [row["result"]["p99us"] for row in rows if row["case"] == alone_case and row["system"] == "direct"]
        if not beside or not alone:
            continue
        ratios = [one / other for one, other in zip(beside, alone, strict=False)]
        found = spread(ratios)
        kept = "yes" if found[0] <= 1.1 else "**no**"
        transport = case.partition("/")[0]
        words = f"{transport}: the others' p99 beside one stalled reader, against without"
        lines.append(f"| {words} | at most 1.1 | {_values(found, 2)} | {kept} | |")
    return lines
