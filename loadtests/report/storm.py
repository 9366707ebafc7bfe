"""Storms in the report: how long until clients are back, beside the model; what it costs those who were never cut.

The model: recovery = max(W, N / u). N clients come back evenly within W, and u of them are admitted each second. A
storm of the same kind measured u, with so many attempts on their way that the instance was never idle. W* = N / u is
the longest window that costs no time.

A residual is the measured time minus the model's. It needs no cause within `TOLERANCE`. Otherwise known contributions
are taken off, in this order, until what is left is within it: how much later the last one was than the last that was
never refused, then the last client's own delay in noticing the cut, then random arrivals that cluster (the largest
excess of N random points over an even flow is about 0.63 sqrt(N)). What none of them accounts for is called
unexplained, with the share of a core that the instance had: on a machine that does other work u is not the same twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtests.records import storm as records
from loadtests.records.storm import Cut, Storm, Storms
from loadtests.report.claims import title
from loadtests.report.quantity import digits

TOLERANCE = 0.05
_CLUSTERED = 0.627  # sqrt(pi / 8): the mean of the largest excess (Kolmogorov 1933), in units of sqrt(N)
_BUSY = 0.85  # of a core: who is so busy sets the pace


@dataclass(frozen=True, slots=True)
class Recovery:
    """One cut beside the model. `number` counts the cuts of its storm from 1."""

    storm: Storm
    number: int
    cut: Cut
    joins_per_s: float  # u

    @property
    def least_s(self) -> float:
        """W*, by the number of clients that this cut had."""
        return self.cut.clients / self.joins_per_s

    @property
    def expected_s(self) -> float:
        """What the model says."""
        return max(self.storm.window_s, self.least_s)

    @property
    def residual_s(self) -> float:
        """Measured minus expected."""
        return self.cut.back_100_s - self.expected_s

    @property
    def holds(self) -> bool:
        """Whether the model is within its tolerance."""
        return abs(self.residual_s) <= TOLERANCE * self.expected_s

    @property
    def cause(self) -> str:
        """What the residual is called; empty where it needs no name."""
        if self.holds:
            return ""
        left_s, allowed_s = self.residual_s, TOLERANCE * self.expected_s
        if left_s < 0:
            return f"more than were on their way when u was measured are admitted faster, by {digits(-left_s)} s"
        named: list[str] = []
        clustered_s = _CLUSTERED * math.sqrt(self.cut.clients) / self.joins_per_s
        refused_s = self.cut.back_100_s - self.cut.unrefused_100_s
        causes = (
            (refused_s, f"{self.cut.refused} refused attempts"),
            (self.cut.noticed_s, "to notice"),
            (clustered_s, "clustered arrivals"),
        )
        for most_s, words in causes:
            if left_s > allowed_s and most_s > 0:
                named.append(f"{words} {digits(min(left_s, most_s))} s")
                left_s -= most_s
        if left_s > allowed_s:
            named.append(f"unexplained {digits(left_s)} s (the instance had {self.cut.server_busy:.0%} of a core)")
        return "; ".join(named)


def recoveries(storms: Storms) -> tuple[Recovery, ...]:
    """Return every cut whose kind has its u measured, in the order of the run; the measurements of u are left out."""
    return tuple(_recoveries(storms.storms))


def _recoveries(found: Sequence[Storm]) -> Iterator[Recovery]:
    measured = {(s.transport, s.kind, s.repeat): s for s in found if not s.window_ratio}
    for storm in found:
        paced = measured.get((storm.transport, storm.kind, storm.repeat))
        if storm.window_ratio and paced is not None:
            for number, (cut, alike) in enumerate(zip(storm.cuts, paced.cuts, strict=True), 1):
                yield Recovery(storm, number, cut, joins_per_s(alike))


def joins_per_s(cut: Cut) -> float:
    """Return how many clients a second came back."""
    return cut.clients / cut.back_100_s


def offences(storms: Storms) -> tuple[str, ...]:
    """Return, in words, every storm that lost or doubled an event, announced a gap, or was not understood."""
    return tuple(
        f"{s.transport} {s.kind}: {s.lost} lost, {s.doubled} doubled, {s.told_gaps} gaps announced"
        + (f"; {s.faults[0]}" if s.faults else "")
        for s in storms.storms
        if s.lost or s.doubled or s.told_gaps or s.faults
    )


def pace(cut: Cut) -> str:
    """Say who set the pace of a measurement of u."""
    if cut.server_busy >= _BUSY:
        return "the instance was"
    if cut.lab_busy >= _BUSY:
        return "the lab's own client was"
    return "neither the instance nor the lab was"


def render_text(storms: Storms) -> str:
    """Return the storms as lines for a terminal."""
    lines = [
        f"{'storm (times in seconds)':34}{'W':>7}{'50 %':>8}{'99 %':>8}{'100 %':>8}{'model':>8}  {'residual':>8}"
        f"{'others p99':>12}{'refused':>9}{'replayed':>10}"
    ]
    for each in recoveries(storms):
        cut, name = each.cut, _name(each)
        others = "-" if cut.bystanders.p99_ms is None else f"{digits(cut.bystanders.p99_ms)} ms"
        lines.append(
            f"{name:34}{digits(each.storm.window_s):>7}{digits(cut.back_50_s):>8}{digits(cut.back_99_s):>8}"
            f"{digits(cut.back_100_s):>8}{digits(each.expected_s):>8}  {each.residual_s / each.expected_s:>+8.1%}"
            f"{others:>12}{cut.refused:>9}{cut.replayed:>10}" + (f"  {each.cause}" if each.cause else "")
        )
    for storm in storms.storms:
        if not storm.window_ratio:
            cut = storm.cuts[-1]
            lines.append(
                f"u of {storm.transport}, {storm.kind}: {joins_per_s(cut):,.0f} joins a second; {pace(cut)} busy "
                f"({cut.server_busy:.0%} and {cut.lab_busy:.0%} of a core); CPU a join: instances "
                f"{cut.server_us_per_join:.0f} us, Redis {cut.redis_us_per_join:.0f} us"
            )
    lines.append(f"events lost or doubled, gaps announced: {'; '.join(offences(storms)) or 'none'}")
    return "\n".join(lines)


def _name(each: Recovery) -> str:
    step = f" {each.number}/{len(each.storm.cuts)}" if len(each.storm.cuts) > 1 else ""
    return f"{each.storm.transport} {each.storm.kind}{step}, {each.cut.clients} clients"


def sentence(storms: Storms) -> str:
    """Return the one sentence that a reader can act on; empty without a recovery."""
    found = [each for each in recoveries(storms) if each.storm.kind == records.KILL] or list(recoveries(storms))
    if not found:
        return ""
    clients, joins = round(median(each.cut.clients for each in found)), median(each.joins_per_s for each in found)
    names = ", ".join(dict.fromkeys(title(each.storm.transport) for each in found))
    return (
        f"Spread the return of N clients over N / u seconds, here {digits(clients / joins)} s for {clients:,} clients "
        f"of one instance at u = {joins:,.0f} joins a second ({names}){_halved(found)}."
    )


def _halved(found: Sequence[Recovery]) -> str:
    """Say what half of W* did to the others, and that it brought nobody back sooner if so it was; or nothing."""
    halves, fits = ([each for each in found if each.storm.window_ratio == ratio] for ratio in (0.5, 1.0))
    half_ms, fit_ms = _p99_ms(halves), _p99_ms(fits)
    if half_ms is None or fit_ms is None or half_ms <= fit_ms:
        return ""
    no_sooner = all(
        after >= (1 - TOLERANCE) * fit for after, fit in zip(_back_after(halves), _back_after(fits), strict=True)
    )
    within = "half of that brought nobody back sooner, and" if no_sooner else "within half of that"
    return f": {within} the others' p99 was {digits(half_ms)} ms, not {digits(fit_ms)}"


def _p99_ms(found: Sequence[Recovery]) -> float | None:
    values = [each.cut.bystanders.p99_ms for each in found if each.cut.bystanders.p99_ms is not None]
    return median(values) if values else None


def _back_after(found: Sequence[Recovery]) -> tuple[float, ...]:
    """Return after how long 50, 99 and 100 % were back, in units of W*."""
    return tuple(
        median(getattr(each.cut, name) / each.least_s for each in found)
        for name in ("back_50_s", "back_99_s", "back_100_s")
    )


def of_run(folder: Path, reference: Path) -> Storms | None:
    """Return the storms of a run's folder, or else those of the reference. Raises RunError."""
    return records.read(folder) or records.read(reference)
