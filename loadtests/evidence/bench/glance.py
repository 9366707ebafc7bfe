"""The bench at a glance: what a message costs in rooms of each size, and how fast and how steady the machine was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Final

from loadtests.evidence.bench.bars import YARDSTICK, YARDSTICK_US
from loadtests.evidence.bench.summary import Row, spread

_SYSTEMS: Final = {
    "direct": "direct",
    "portable": "portable, on uvicorn",
    "plain Starlette": "plain Starlette",
    "ws, node": "ws, node",
    "Socket.IO, node": "Socket.IO, node",
    "nchan": "nchan (nginx, C)",
}
_ROOMS: Final = {
    "websocket/rooms-250x2": "WebSocket, room of 2",
    "websocket/rooms-100x5": "WebSocket, room of 5",
    "websocket/rooms-100x10": "WebSocket, room of 10",
    "websocket/n1000-w1-128B": "WebSocket, room of 1,000",
    "sse/rooms-250x1": "POST to SSE, room of 1",
    "sse/rooms-100x10": "POST to SSE, room of 10",
    "sse/n1000-w1-128B": "POST to SSE, room of 1,000",
    "longpoll/rooms-250x1": "POST to long poll, room of 1",
    "longpoll/rooms-100x10": "POST to long poll, room of 10",
    "longpoll/n1000-w1-128B": "POST to long poll, room of 1,000",
    "websocket/rooms-1x4-r400-redis": "WebSocket, room of 4 over Redis, both servers",
}
_ALIKE: Final = 1.25  # machines that differ by less are about as fast
_QUIET: Final = 1.08  # and so the middle half of the runs on a machine that does nothing else


def markdown(rows: Sequence[Row]) -> str:
    """Tables and sentences of what was measured; empty when no size of room was."""
    lines = [f"| {words} | {' | '.join(cells)} |" for case, words in _ROOMS.items() if any(cells := _cells(rows, case))]
    if not lines:
        return ""
    table = [f"| µs of a core for a message | {' | '.join(_SYSTEMS.values())} |", "|---" * (1 + len(_SYSTEMS)) + "|"]
    return "\n\n".join(["\n".join([*table, *lines]), *filter(None, (_example(rows), machine(rows)))])


def _cells(rows: Sequence[Row], case: str) -> list[str]:
    costs = (_us_per_message(rows, case, system) for system in _SYSTEMS)
    return ["" if cost is None else f"{cost:,.0f}" for cost in costs]


def _us_per_message(rows: Sequence[Row], case: str, system: str) -> float | None:
    results = [row["result"] for row in rows if row["case"] == case and row["system"] == system]
    costs = [each["us_per_msg"] if "us_per_msg" in each else each["us_per_del"] * each["n"] for each in results]
    return median(costs) if costs else None


def _example(rows: Sequence[Row]) -> str:
    cost_us = _us_per_message(rows, YARDSTICK, "direct")
    if cost_us is None:
        return ""
    return (
        f"So one core of this machine, always busy, carries about {round(1e6 / cost_us, -2):,.0f} messages a second in "
        "rooms of two by *direct*."
    )


def machine(rows: Sequence[Row]) -> str:
    """How fast the machine was, by the yardstick; how far runs of the same differ; empty if unknown."""
    cost_us = _us_per_message(rows, YARDSTICK, "plain Starlette")
    if cost_us is None:
        return ""
    ratio = cost_us / YARDSTICK_US
    took = f"A message in a room of two took plain Starlette {cost_us:.0f} µs in this run"
    there = f"{YARDSTICK_US:.0f} µs on the machine on which the goals were set"
    if ratio > _ALIKE:
        said = f"{took}, and {there}: **this machine was {ratio:.1f} times as slow.**"
    elif ratio < 1 / _ALIKE:
        said = f"{took}, and {there}: this machine was {1 / ratio:.1f} times as fast."
    else:
        said = f"{took}, about as on the machine on which the goals were set ({YARDSTICK_US:.0f} µs)."
    drifts = _drifts(rows)
    if not drifts:
        return said
    middle, _, most = spread(drifts)
    noise = (
        f"The middle half of the runs of one system under one load differs by a factor of {middle:.2f} (median; at "
        f"most {most:.2f})"
    )
    judged = "**the machine was not quiet**, and ratios count more than figures" if middle > _QUIET else "it was quiet"
    return f"{said} {noise}: {judged}."


def _drifts(rows: Sequence[Row]) -> list[float]:
    """The third quartile over the first, of what each system cost under each load that ran more than once.

    The greatest over the least would grow with the number of runs, and tell of one burst of the machine's.
    """
    costs: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        cost_us = row["result"].get("us_per_msg") or row["result"].get("us_per_del")
        if cost_us:
            costs[row["case"], row["system"]].append(cost_us)
    quartiles = [quantiles(each, n=4, method="inclusive") for each in costs.values() if len(each) > 1]
    return [third / first for first, _, third in quartiles]
