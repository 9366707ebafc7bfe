"""What a calibration found, drawn: a stall as two ways to measure it show it, and a transport against itself."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from loadtests.records.calibration import Omission, SelfTest
from loadtests.report import palette
from loadtests.report.charts.layout import Layout, plain_log


def coordinated_omission(found: Omission, layout: Layout) -> Figure:
    """Draw the share of messages within a time, measured from the schedule and by a closed loop."""
    figure = Figure(figsize=(layout.width_in, 3.0))
    axis = figure.subplots()
    look = palette.look(found.transport)
    for name, shown, line in (
        ("from the schedule", found.from_schedule, "-"),
        ("closed loop: the next waits for the last", found.closed_loop, "--"),
    ):
        axis.step(
            shown.latency_ms,
            shown.fraction,
            where="post",
            color=look.light,
            ls=line,
            label=f"{name}, n = {shown.messages}",
        )
    axis.set_xscale("log")
    plain_log(axis, "x")
    axis.set_ylim(0.7, 1.01)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g} %"))
    axis.set_xlabel(f"latency, ms (log); a stall of {found.stall_s:g} s in {found.measured_s:.0f} s")
    axis.set_ylabel("share of messages")
    axis.legend(loc="lower right")
    return figure


def against_itself(found: SelfTest, layout: Layout) -> Figure:
    """Draw each repeat's difference of medians with its 95 % interval; hollow where it was called different."""
    shown = (*found.repeats, *found.between)
    figure = Figure(figsize=(layout.width_in, 1.0 + 0.2 * len(shown)))
    axis = figure.subplots()
    axis.axvline(0, color=palette.ink("ink"), lw=0.8)
    for place, each in enumerate(shown):
        colour = palette.look(found.transport if place < len(found.repeats) else "other").light
        axis.plot([each.low_ms, each.high_ms], [place, place], color=colour, lw=1.2, marker="|", ms=5)
        face = colour if each.indistinguishable else palette.ink("paper")
        axis.plot([each.difference_ms], [place], ls="none", marker="o", ms=5, mec=colour, mfc=face)
    axis.set_yticks(range(len(shown)), [each.name for each in shown])
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel(f"difference of medians with its 95 % interval, ms; run {found.run_id}")
    return figure
