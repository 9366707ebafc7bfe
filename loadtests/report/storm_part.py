"""Storms as a part of the report's section "In the field". The model and the words are those of `report.storm`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from loadtests.records.storm import KINDS, Storms
from loadtests.report import kept, palette, storm
from loadtests.report.charts.drawing import Layout, model_line, panels, sign_with
from loadtests.report.claims import title
from loadtests.report.field import Part
from loadtests.report.study import Study
from loadtests.report.verdicts.evidence import REFERENCE

_LEAST_WIDE = 5.0  # W / W*; a rolling restart's first cut has fewer clients, and so a wider window in its units
_MARKS = dict(zip(KINDS, "osD", strict=True))


def draw(storms: Storms, layout: Layout) -> Figure | None:
    """Draw how long all clients took to be back against the window, both in units of W*, beside max(1, W / W*)."""
    found = storm.recoveries(storms)
    if not found:
        return None
    figure, (axis,) = panels(layout, 1, head_in=0.75, panel_in=2.9)
    for each in found:
        axis.plot(
            each.storm.window_s / each.least_s,
            each.cut.back_100_s / each.least_s,
            _MARKS[each.storm.kind],
            color=palette.look(each.storm.transport).light,
            ms=5.5,
            label=f"{title(each.storm.transport)}, {each.storm.kind}",
        )
    widest = max(_LEAST_WIDE, *(1.05 * each.storm.window_s / each.least_s for each in found))
    model_line(axis, [0.0, 1.0, widest], [1.0, 1.0, widest])
    axis.set(xlabel="window W, in units of N / u", ylabel="until all are back, in units of N / u")
    axis.set(xlim=(0, widest), ylim=(0, None))
    handles, names = axis.get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    axis.legend(list(once.values()), list(once), loc="upper left", fontsize=7.5, frameon=False)
    sign_with(figure, f"run {storms.run_id}")
    return figure


def part(study: Study, folder: Path) -> Part | None:
    """Return the report's part: of the storms beside the run, or else of the reference; None without any."""
    storms = storm.of_run(folder, REFERENCE)
    if storms is None or not (said := storm.sentence(storms)):
        return None
    return Part(
        slug="storm",
        heading="A server that is killed, and a deploy",
        sentence=said,
        draw=partial(draw, storms),
        reading=(
            "Each mark: one instance ended, and its clients came back evenly within the window. Dotted, the model: "
            "recovery = max(W, N / u), with N clients and u joins a second, which a storm without a window measured."
        ),
        template="storm.html.j2",
        found=storm.recoveries(storms),
        origin="" if storms.run_id == study.run.run_id else kept.said(storms.run_id, storms.commit, storms.machine),
    )
