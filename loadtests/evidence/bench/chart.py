"""The bench as a picture: server CPU per delivery where nothing can be coalesced, throughput where everything can."""

from __future__ import annotations

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
}


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
