"""The bench as pictures: CPU per delivery by the size of the room, and the fan-out to a thousand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from loadtests.evidence.bench.summary import Row, spread
from loadtests.evidence.bench.systems import TRANSPORTS

# Okabe and Ito's palette, safe for colour-blind eyes; ours are the saturated ones.
_COLOURS: Final = {
    "direct": "#0072B2",
    "direct by write": "#004C79",
    "portable": "#56B4E9",
    "plain Starlette": "#999999",
    "floor": "#000000",
    "floor coalescing": "#555555",
    "nchan": "#D55E00",
    "ws, node": "#009E73",
    "Socket.IO, node": "#E69F00",
    "python-socketio": "#CC79A7",
}


_WAYS: Final = {"websocket": "chat by WebSocket", "sse": "POST to SSE", "longpoll": "POST to long poll"}
_OVER_REDIS: Final = {"direct": "D", "python-socketio": "s"}
_SIZES: Final = (1, 2, 5, 10, 100, 1000)
_COSTS_US: Final = (5, 10, 20, 50, 100, 200, 500)


def draw(rows: Sequence[Row], path: Path, subscribers: int) -> None:
    """Write an SVG with a panel per quantity: median as a bar, least and greatest as a whisker."""
    mpl.rcParams["svg.hashsalt"] = "rtlab"  # the same data gives the same bytes
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    panels: Any = figure.subplots(1, 2)
    _panel(panels[0], rows, f"n{subscribers}-w1-128B", "us_per_del", "server CPU per delivery (µs), window 1", 1.0)
    _panel(panels[1], rows, f"n{subscribers}-w16-128B", "dps", "deliveries per second (thousands), window 16", 1e-3)
    panels[1].set_xscale("log")
    panels[0].legend(loc="best", fontsize=7, frameon=False)
    figure.suptitle(f"Fan-out to {subscribers} subscribers, one core for the server", fontsize=10)
    figure.savefig(path, format="svg", metadata={"Date": None})


def draw_rooms(rows: Sequence[Row], path: Path) -> None:
    """Write an SVG with a panel per transport that was measured: CPU per delivery over the size of the room, a line
    per system.
    """
    mpl.rcParams["svg.hashsalt"] = "rtlab"
    costs_us = {name: {system: delivery_costs_us(rows, name, system) for system in _COLOURS} for name in TRANSPORTS}
    measured = [name for name in TRANSPORTS if any(costs_us[name].values())]
    figure = Figure(figsize=(max(3.0 * len(measured), 5.0), 4.0), layout="constrained")
    panels: Any = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
    for panel, transport in zip(panels, measured, strict=True):
        for system, found in costs_us[transport].items():
            if found:
                panel.plot(list(found), list(found.values()), "o-", color=_COLOURS[system], label=system, markersize=4)
        for system, marker in _OVER_REDIS.items():
            for members, cost_us in over_redis_us(rows, transport, system):
                label = f"{system} over Redis"
                panel.plot(
                    members, cost_us, marker, color=_COLOURS[system], label=label, markersize=6, fillstyle="none"
                )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlim(0.8, 1400)
        panel.set_xticks(_SIZES, map(str, _SIZES))
        panel.set_yticks(_COSTS_US, map(str, _COSTS_US))
        panel.minorticks_off()
        panel.set_xlabel(f"{_WAYS[transport]}: members of the room", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(visible=True, linewidth=0.3, alpha=0.5)
    panels[0].set_ylabel("server CPU per delivery (µs), publishing included", fontsize=8)
    drawn = {line.get_label(): line for panel in panels for line in panel.get_lines()}
    figure.legend(
        handles=list(drawn.values()),
        loc="outside upper center",
        ncols=min(5, 2 * len(measured) + 1),
        fontsize=7,
        frameon=False,
    )
    figure.savefig(path, format="svg", metadata={"Date": None})


def delivery_costs_us(rows: Sequence[Row], transport: str, system: str) -> dict[int, float]:
    """Median µs of server CPU per delivery, by the members of a room; each message waits for the last.

    Rooms over Redis are left out: their messages come by a rate, and two servers share the work. Yardsticks too, which
    are by WebSocket whatever they stand beside.
    """
    found: dict[int, list[float]] = {}
    for row in rows:
        result = row["result"]
        if row["system"] != system or row["case"].partition("/")[0] != transport:
            continue
        if row["case"] == f"{transport}/n1000-w1-128B":
            found.setdefault(1000, []).append(result["us_per_del"])
        elif "us_per_msg" in result and not row["case"].endswith(("-redis", "-yardstick")):
            found.setdefault(result["members"], []).append(result["us_per_msg"] / result["members"])
    return {members: spread(found[members])[0] for members in sorted(found)}


def over_redis_us(rows: Sequence[Row], transport: str, system: str) -> list[tuple[int, float]]:
    """Members of a room, and median µs of CPU per delivery over Redis: of both servers and of Redis itself."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    for row in rows:
        result, case = row["result"], row["case"]
        if row["system"] == system and case.startswith(f"{transport}/rooms-") and case.endswith("-redis"):
            cost_us = result["us_per_msg"] + result["redis_us_per_msg"]
            found[result["members"]].append(cost_us / result["members"])
    return [(members, spread(costs)[0]) for members, costs in sorted(found.items())]


def _panel(panel: Any, rows: Sequence[Row], load: str, key: str, label: str, scale: float) -> None:
    systems = [name for name in _COLOURS if any(row["system"] == name for row in rows)]
    height = 0.8 / max(1, len(systems))
    for index, system in enumerate(systems):
        for place, transport in enumerate(TRANSPORTS):
            values = [
                row["result"][key] * scale
                for row in rows
                if row["case"] == f"{transport}/{load}" and row["system"] == system and row["result"].get(key)
            ]
            if not values:
                continue
            middle, least, most = spread(values)
            panel.barh(
                place + (index - len(systems) / 2) * height,
                middle,
                height,
                color=_COLOURS[system],
                label=system if place == 0 else None,
                xerr=[[middle - least], [most - middle]],
                error_kw={"linewidth": 0.8},
            )
    panel.set_yticks(range(len(TRANSPORTS)), TRANSPORTS)
    panel.invert_yaxis()
    panel.set_xlabel(label, fontsize=8)
    panel.tick_params(labelsize=8)
