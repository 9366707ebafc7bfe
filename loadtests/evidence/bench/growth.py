"""How the cost of `direct` grows with one thing: subscribers, rooms, payload, members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from loadtests.evidence.bench.matrix import JOINERS, MEMBERS, PAYLOADS_BYTES, ROOMS, ROOMS_OF_ONE_PER_S, SUBSCRIBERS
from loadtests.evidence.bench.runs import Joins, Load
from loadtests.evidence.bench.summary import Row

FLAT: Final = 1.5  # largest over smallest; single runs on a shared machine differ by a quarter


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


def markdown(rows: Sequence[Row]) -> str:
    """A table: a line per transport and quantity; lines with fewer than two loads measured are left out."""
    made = []
    for transport in dict.fromkeys(row["case"].partition("/")[0] for row in rows):
        made += [text for line in LINES if (text := _line(rows, transport, line)) is not None]
    if not made:
        return ""
    columns = "transport | what grows; what it costs the server (direct) | found | runs | largest / smallest | flat?"
    return "\n".join([f"| {columns} |", "|---|---|---|---|---|---|", *made])


def _line(rows: Sequence[Row], transport: str, line: Line) -> str | None:
    found: list[tuple[int, float]] = []
    runs: list[int] = []
    for value, load in line.loads:
        costs = [
            row["result"][line.key]
            for row in rows
            if row["case"] == f"{transport}/{load}" and row["system"] == "direct" and row["result"].get(line.key)
        ]
        if costs:
            found.append((value, median(costs)))
            runs.append(len(costs))
    if len(found) < 2:
        return None
    costs = [cost for _, cost in found]
    ratio = max(costs) / min(costs)
    verdict = ("yes" if ratio <= FLAT else "**no**") if line.flat else "need not be"
    cells = ", ".join(f"{value:,}: {cost:,.1f}" for value, cost in found)
    each = f"{min(runs)}" if len(set(runs)) == 1 else f"{min(runs)} to {max(runs)}"
    return f"| {transport} | {line.words} | {cells} | {each} | {ratio:.2f} | {verdict} |"
