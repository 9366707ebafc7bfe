"""Medians, spreads and ratios of a bench, as a Markdown table. Ratios are of runs that were neighbours in time.

A row's `repeat` is the number of its run or slice: those of one number were neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

Row = dict[str, Any]

# quantity -> (key in the client's output, unit, digits)
QUANTITIES: Final = {
    "cost": ("us_per_del", "µs of server CPU per delivery", 2),
    "throughput": ("dps", "deliveries per second", 0),
    "p99": ("p99us", "µs, 99th percentile from the scheduled time", 0),
    "joins": ("connects_per_s", "joins per second", 0),
    "message": ("us_per_msg", "µs of server CPU per message", 1),
    "script": ("script_us", "µs in the script per message", 1),
    "memory": ("kib_per_conn", "KiB per idle connection", 1),
}


def quantity_of(load: str) -> str:
    """What a load is judged by."""
    if load.startswith("memory"):
        return "memory"
    if load == "script":
        return "script"
    if load.startswith("joins"):
        return "joins"
    if load.startswith("rooms-"):
        return "message"
    if load.endswith("rooms"):
        return "cost"
    return {"w1": "cost", "w16": "throughput"}.get(load.split("-")[1], "p99")


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least, greatest."""
    return median(values), min(values), max(values)


def paired_ratio(rows: Iterable[Row], case: str, key: str, ours: str, theirs: str) -> tuple[float, float, float] | None:
    """Median and range of ours / theirs over the repeats that have both; None where there are none."""
    by_repeat: dict[int, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row["case"] == case and row["result"].get(key):
            by_repeat[row["repeat"]][row["system"]] = row["result"][key]
    ratios = [pair[ours] / pair[theirs] for pair in by_repeat.values() if ours in pair and theirs in pair]
    return spread(ratios) if ratios else None


def markdown(rows: Sequence[Row]) -> str:
    """A table per transport: a line per load, a column per system. Small rooms have a table of their own."""
    rows = [row for row in rows if not _load(row).startswith("rooms-")]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    lines: list[str] = []
    for transport in dict.fromkeys(row["case"].split("/")[0] for row in rows):
        lines += [
            f"### {transport}",
            "",
            f"| load | quantity | {' | '.join(systems)} |",
            "|---" * (2 + len(systems)) + "|",
        ]
        for case in dict.fromkeys(row["case"] for row in rows if row["case"].startswith(f"{transport}/")):
            load = case.partition("/")[2]
            key, unit, digits = QUANTITIES[quantity_of(load)]
            cells = [_cell(rows, case, system, key, digits) for system in systems]
            lines.append(f"| {load} | {unit} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(rows: Sequence[Row], case: str, system: str, key: str, digits: int) -> str:
    values = [
        row["result"][key]
        for row in rows
        if row["case"] == case and row["system"] == system and row["result"].get(key) is not None
    ]
    if not values:
        return "-"
    middle, least, most = spread(values)
    return f"{middle:,.{digits}f} ({least:,.{digits}f} to {most:,.{digits}f})"


def busy(rows: Sequence[Row]) -> str:
    """A table of the shares of a core that the server took, and that the load client had work in hand, where a message
    waits for the last: the server's is about one where it is the bottleneck.
    """
    waiting = [row for row in rows if _waits(row["case"]) and "client_busy" in row["result"]]
    if not waiting:
        return ""
    systems = list(dict.fromkeys(row["system"] for row in waiting))
    lines = [
        f"| busy share, each message waits for the last | of | {' | '.join(systems)} |",
        "|---" * (2 + len(systems)) + "|",
    ]
    for case in dict.fromkeys(row["case"] for row in waiting):
        for whose, key in (("server", "srv_cpu"), ("load client", "client_busy")):
            cells = [_cell(waiting, case, system, key, 2) for system in systems]
            lines.append(f"| {case} | {whose} | {' | '.join(cells)} |")
    return "\n".join(lines)


# what a small room's row shows: (key in the client's output, unit, digits)
_OF_ROOMS: Final = (
    QUANTITIES["message"],
    ("mps", "messages per second", 0),
    ("p50us", "µs, median of a round trip", 0),
    ("p99us", "µs, 99th percentile of a round trip", 0),
)

_OF_REDIS: Final = (
    ("redis_us_per_msg", "µs of Redis' CPU per message", 1),
    ("redis_commands", "commands in Redis per message", 1),
    ("script_us", "µs in scripts per message, by Redis' own count", 1),
)


def rooms_markdown(rows: Sequence[Row]) -> str:
    """A table of small rooms: a line per load and quantity, a column per system; empty when none were measured."""
    rooms = [row for row in rows if _load(row).startswith("rooms-")]
    if not rooms:
        return ""
    systems = list(dict.fromkeys(row["system"] for row in rooms))
    lines = [f"| rooms x members | quantity | {' | '.join(systems)} |", "|---" * (2 + len(systems)) + "|"]
    for case in dict.fromkeys(row["case"] for row in rooms):
        for key, unit, digits in _shown(case):
            cells = [_cell(rooms, case, system, key, digits) for system in systems]
            lines.append(f"| {case.replace('/rooms-', ' ')} | {unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(case: str) -> Sequence[tuple[str, str, int]]:
    if case.endswith("-yardstick"):
        return _OF_ROOMS[:1]
    return (*_OF_ROOMS, *_OF_REDIS) if case.endswith("-redis") else _OF_ROOMS


def _load(row: Row) -> str:
    load: str = row["case"].partition("/")[2]
    return load


def _waits(case: str) -> bool:
    return ("/rooms-" in case and not case.endswith("-yardstick")) or ("-w1-" in case and "rooms" not in case)


def lost(rows: Iterable[Row]) -> int:
    """Deliveries and answers that never came, came again or went to another room, over all runs."""
    kinds = ("missing", "repeated", "strayed", "unanswered")
    return sum(abs(row["result"].get(kind, 0)) for row in rows for kind in kinds)
