"""What planned cuts cost, beside the model: a part of the report's section "In the field", and lines for a terminal.

The model: a subscriber is off for the share off / (up + off) of its time. Without a resume it loses that share. With
one the share is late, evenly between 0 and off, and the q-quantile of all deliveries is off * (1 - (1 - q) / share) for
q > 1 - share, 0 below. What the model leaves out is the time until the client is welcome again: `back_ms`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.records.disruption import Cuts, Disruption
from loadtests.records.schema import Cell, Validity
from loadtests.report import kept, palette
from loadtests.report.charts.drawing import Layout, legend, model_line, panels, sign
from loadtests.report.claims import title
from loadtests.report.condition import Result
from loadtests.report.field import Part
from loadtests.report.quantity import count, digits, laid_out
from loadtests.report.study import Study

KIND = "cut"
_SHARES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}
WITHIN_PERCENT = 5.0
"""How far a measurement may lie off the model before its residual has to be named."""


def quantile_ms(disrupt: Disruption, percent: float) -> float:
    """Return the model's percentile of the latency of all deliveries, with a resume."""
    beyond = 1 - percent / 100
    return 0.0 if beyond >= disrupt.share else 1e3 * disrupt.offline_s * (1 - beyond / disrupt.share)


@dataclass(frozen=True, slots=True)
class Modelled:
    """One figure of some runs beside its model: the median run, and the one that is furthest off."""

    name: str  # "lost", "p95", "p99"
    unit: str
    model: float
    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def furthest_percent(self) -> float:
        """How far off the model, of either sign, the worst run is."""
        return max((100 * (run / self.model - 1) for run in self.runs), key=abs)

    def words(self) -> str:
        """Return `lost 11.9 % (model 11.8 %, at most 2.1 % off)`."""
        off = f"{count(len(self.runs), 'run')} at most {abs(self.furthest_percent):.1f} % off"
        return f"{self.name} {digits(self.median)} {self.unit} (model {digits(self.model)} {self.unit}, {off})"


@dataclass(frozen=True, slots=True)
class Row:
    """One transport with a resume or without: its cells that are believed."""

    result: Result
    cuts: tuple[Cuts, ...]
    unplanned: int  # deliveries that are missing, and by no plan
    duplicates: int

    @property
    def transport(self) -> str:
        return self.result.condition.transport

    @property
    def disrupt(self) -> Disruption:
        return self.cuts[0].disrupt

    @property
    def resume(self) -> bool:
        return self.cuts[0].resume

    @property
    def figures(self) -> tuple[Modelled, ...]:
        """What the model speaks of: with a resume the late tail, without one what is lost."""
        if not self.resume:
            lost = tuple(100 * each.lost / each.due for each in self.cuts if each.due)
            return (Modelled("lost", "%", 100 * self.disrupt.share, lost),) if lost else ()
        wanted = [(name, quantile_ms(self.disrupt, percent)) for name, percent in (("p95", 95), ("p99", 99))]
        found = [(name, of_model, [each.latency_ms.get(name) for each in self.cuts]) for name, of_model in wanted]
        return tuple(
            Modelled(name, "ms", of_model, known)
            for name, of_model, values in found
            if of_model and (known := tuple(value for value in values if value is not None))
        )

    @property
    def back_ms(self) -> float | None:
        """The median time until a client is welcome again."""
        found = [each.back_ms["p50"] for each in self.cuts if "p50" in each.back_ms]
        return statistics.median(found) if found else None

    @property
    def percentiles(self) -> tuple[list[float], list[float]]:
        """Latencies of the median run in ms, and the share in percent of the deliveries due that had come by then."""
        came = [1 - each.lost / each.due for each in self.cuts if each.due]
        known = [(name, [each.latency_ms[name] for each in self.cuts if name in each.latency_ms]) for name in _SHARES]
        found = {name: statistics.median(values) for name, values in known if values}
        return list(found.values()), [statistics.median(came) * _SHARES[name] for name in found if came]

    @property
    def replayed(self) -> int:
        return sum(each.replayed for each in self.cuts)

    @property
    def replay_ms(self) -> str:
        """Percentiles of what was replayed, the median run's: p50, p95, p99."""
        found = [
            [each.replay_ms[name] for each in self.cuts if name in each.replay_ms] for name in ("p50", "p95", "p99")
        ]
        return " / ".join(digits(statistics.median(values)) if values else digits(None) for values in found)

    @property
    def replay_bytes(self) -> float | None:
        """What one replayed delivery took on the wire."""
        return sum(each.replay_bytes for each in self.cuts) / self.replayed if self.replayed else None

    @property
    def residual(self) -> str:
        """What the model leaves unexplained, where that is more than `WITHIN_PERCENT`; empty otherwise."""
        worst = max(self.figures, key=lambda figure: abs(figure.furthest_percent), default=None)
        if worst is None or abs(worst.furthest_percent) <= WITHIN_PERCENT:
            return ""
        back = f"; clients took {digits(self.back_ms)} ms to be welcome again, which is no part of it"
        return f"{worst.name} is {digits(worst.furthest_percent, 2)} % off the model{back}"


def rows(study: Study) -> tuple[Row, ...]:
    """Return a row for each condition with planned cuts, in the order of the tables."""
    return tuple(_rows(study.of_kind(KIND)))


def _rows(results: Sequence[Result]) -> Iterator[Row]:
    for result in results:
        cells: list[Cell] = [cell for cell in result.used if cell.cuts is not None and cell.counts is not None]
        cuts = tuple(cell.cuts for cell in cells if cell.cuts is not None)
        if cuts:
            unplanned = sum(cell.counts.lost - cell.counts.lost_to_cuts for cell in cells if cell.counts)
            yield Row(result, cuts, unplanned, sum(cell.counts.duplicates for cell in cells if cell.counts))


def sentence(found: Sequence[Row]) -> str:
    """Return the one sentence on which a reader can act; empty without rows."""
    if not found:
        return ""
    disrupt = found[0].disrupt
    often = f"of every {disrupt.up_s + disrupt.offline_s:g} s the cable is out for {disrupt.offline_s:g} s"
    lost = [figure.median for row in found if not row.resume for figure in row.figures]
    resumed = [row for row in found if row.resume]
    parts = [f"clients that begin anew lose {_spanned(lost)} % of their messages"] if lost else []
    if resumed:
        wrong = sum(row.unplanned for row in resumed), sum(row.duplicates for row in resumed)
        none = "lose and double none" if wrong == (0, 0) else f"lose {wrong[0]:,} and double {wrong[1]:,}"
        tails = [figure.median for row in resumed for figure in row.figures if figure.name == "p99"]
        late = f", 99 % of all within {_spanned(tails)} ms" if tails else ""
        parts.append(f"those that say where they were {none}{late}")
    return f"Keep the position of the last message and resume from it: where {often}, {', and '.join(parts)}."


def _spanned(values: Sequence[float]) -> str:
    low, high = digits(min(values)), digits(max(values))
    return low if low == high else f"{low} to {high}"


def draw(study: Study, layout: Layout) -> Figure | None:
    """Draw the late tail of each load, the share of deliveries due that had come, beside the model."""
    found = rows(study)
    by_load: dict[str, list[Row]] = {}
    for row in found:
        by_load.setdefault(row.result.condition.load, []).append(row)
    if not by_load:
        return None
    figure, axes = panels(layout, len(by_load), head_in=0.75, panel_in=2.7)
    for axis, (load, here) in zip(axes, by_load.items(), strict=True):
        until_ms = 1150 * here[0].disrupt.offline_s
        for place, row in enumerate(here):
            look = palette.look(row.transport)
            if not row.result.ecdf.n:
                # Where some are alike, those drawn before show as rings.
                size = 5 + 3 * (len(here) - 1 - place)
                axis.plot(*row.percentiles, look.marker, color=look.light, ms=size)
                continue
            ecdf = row.result.ecdf
            # Flat to the edge: what has not come by then never does.
            x, y = np.append(ecdf.latency_ms, until_ms), 100 * np.append(ecdf.fraction, ecdf.fraction[-1:])
            axis.plot(x, y, color=look.light, ls="--" if row.result.validity is Validity.INVALID else "-")
        _draw_model(axis, here[0], until_ms)
        runs = max(len(row.cuts) for row in here)
        axis.set(title=f"{load}; {count(runs, 'run')} each", xlabel="delivery latency from the schedule, ms")
        least = 100 * (1 - here[0].disrupt.share)
        axis.set(ylim=(least - 6, 101), xlim=(0, until_ms), ylabel="% of deliveries due")
    legend(figure, [row.result for row in found], layout, modelled=True)
    sign(figure, study)
    return figure


def _draw_model(axis: Axes, row: Row, until_ms: float) -> None:
    least = 1 - row.disrupt.share
    if row.resume:
        percent = np.linspace(100 * least, 100, 50)
        model_line(axis, [quantile_ms(row.disrupt, each) for each in percent], percent)
    else:
        model_line(axis, [0, until_ms], [100 * least] * 2)


def part(own: Study, _: Path) -> Part | None:
    """Return the report's part, of the run that is kept where this one cut no subscriber; None where there is none."""
    study = own if rows(own) else kept.of("cuts")
    if study is None or not (found := rows(study)):
        return None
    drawn = "Each line" if any(row.result.ecdf.n for row in found) else "Each mark, of p50, p95 and p99"
    return Part(
        slug="cuts",
        heading="A cable that is pulled",
        sentence=sentence(found),
        draw=partial(draw, study),
        reading=(
            f"{drawn}: the share of the deliveries due that came within so long after they were due. Dotted, the "
            "model: with a resume the share of the time that a client is off is late, evenly up to how long it was "
            "off; without one that share never comes."
        ),
        template="cuts.html.j2",
        found=found,
        origin="" if study is own else kept.origin(study.run),
    )


def render_text(study: Study) -> str:
    """Return a line per condition for a terminal; empty where no subscriber was cut."""
    lines = [
        [
            title(row.transport),
            row.result.condition.load,
            "; ".join(figure.words() for figure in row.figures),
            f"back after {digits(row.back_ms)} ms",
            f"{row.replayed:,} replayed" if row.resume else "",
            f"{row.unplanned:,} lost without a plan, {row.duplicates:,} twice",
        ]
        for row in rows(study)
    ]
    named = [
        f"{title(row.transport)} {row.result.condition.load}: {row.residual}" for row in rows(study) if row.residual
    ]
    return "\n".join(["cuts:", *laid_out(lines, words=range(6)), *named]) if lines else ""
