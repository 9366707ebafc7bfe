"""What the fan-out has set itself to reach, each as a ratio of runs that were neighbours in time, or a plain figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from loadtests.evidence.bench.matrix import JOINERS, MEMBERS, PAYLOADS_BYTES, ROOMS, ROOMS_OF_ONE_PER_S, SUBSCRIBERS
from loadtests.evidence.bench.runs import Joins, Load
from loadtests.evidence.bench.summary import Row, paired_ratio, spread
from loadtests.evidence.bench.systems import TRANSPORTS

FLAT: Final = 1.5  # largest over smallest; single runs on a shared machine differ by a quarter


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
    """A table of the bars: bound, what was found, whether it is kept; what the floor reaches, where it is a bound.

    A case that nobody ran has no line.
    """
    lines = ["| what | bound | found, median (range) | kept | the floor itself |", "|---|---|---|---|---|"]
    for bar in (*BARS, *half_rate_bars(rows)):
        found = bar.found(rows)
        sign = "at least" if bar.at_least else "at most"
        if found is None:
            if any(row["case"] == bar.case for row in rows):
                lines.append(f"| {bar.words} | {sign} {bar.bound:g} | not measured | | |")
            continue
        kept = "yes" if bar.kept(found[0]) else "**no**"
        digits = 0 if bar.bound >= 100 else 2
        floor = bar.floor(rows)
        reach = "" if floor is None else _values(floor, digits)
        lines.append(f"| {bar.words} | {sign} {bar.bound:,g} | {_values(found, digits)} | {kept} | {reach} |")
    lines += _stalled(rows)
    return "\n".join(lines) if len(lines) > 2 else ""


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


@dataclass(frozen=True)
class Line:
    """One quantity of `direct` over loads that differ in one thing."""

    words: str
    key: str  # in the load client's output
    loads: tuple[tuple[int, str], ...]  # the value of what differs, and the load's name
    flat: bool = True  # whether nothing but the difference itself could make it grow


LINES: Final = (
    Line(
        "one room, subscribers; µs per delivery",
        "us_per_del",
        tuple((count, Load(count, window=1).name) for count in SUBSCRIBERS),
    ),
    Line(
        f"rooms of one subscriber, {ROOMS_OF_ONE_PER_S:,.0f} messages per second in all; µs per message",
        "us_per_del",
        tuple((rooms, Load(rooms, rate_per_s=ROOMS_OF_ONE_PER_S, rooms=rooms).name) for rooms in ROOMS),
    ),
    Line(
        "1,000 subscribers, rooms that they are spread over; µs per delivery, its share of a POST included",
        "us_per_del",
        tuple((rooms, Load(1000, window=1, rooms=rooms).name) for rooms in ROOMS),
        flat=False,
    ),
    Line(
        "one room of 1,000, bytes of payload; µs per delivery",
        "us_per_del",
        tuple((size, Load(1000, window=1, payload_bytes=size).name) for size in PAYLOADS_BYTES),
        flat=False,
    ),
    Line(
        f"{JOINERS} joins, members who are there; µs per join, telling everybody included",
        "us_per_join",
        tuple((before, Joins(JOINERS, before).name) for before in MEMBERS),
        flat=False,
    ),
)


def growth_markdown(rows: Sequence[Row]) -> str:
    """A table: a line per transport and quantity; lines with fewer than two loads measured are left out."""
    made = []
    for transport in dict.fromkeys(row["case"].partition("/")[0] for row in rows):
        made += [text for line in LINES if (text := _line(rows, transport, line)) is not None]
    if not made:
        return ""
    head = ["| transport | what grows; what it costs the server (direct) | found | largest / smallest | flat? |"]
    return "\n".join([*head, "|---|---|---|---|---|", *made])


def _line(rows: Sequence[Row], transport: str, line: Line) -> str | None:
    found: list[tuple[int, float]] = []
    for value, load in line.loads:
        costs = [
            row["result"][line.key]
            for row in rows
            if row["case"] == f"{transport}/{load}" and row["system"] == "direct" and row["result"].get(line.key)
        ]
        if costs:
            found.append((value, median(costs)))
    if len(found) < 2:
        return None
    costs = [cost for _, cost in found]
    ratio = max(costs) / min(costs)
    verdict = ("yes" if ratio <= FLAT else "**no**") if line.flat else "need not be"
    cells = ", ".join(f"{value:,}: {cost:,.1f}" for value, cost in found)
    return f"| {transport} | {line.words} | {cells} | {ratio:.2f} | {verdict} |"
