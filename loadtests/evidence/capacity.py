"""`rtlab capacity`: the highest rate, or number of subscribers or rooms, at which a load still meets its objective.

By bisection: every pass measures each transport that is still searched once, in an order drawn anew, each at its own
next step. What was found stands in run.json's manifest, section `capacity`; `report.capacity` reads it.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from loadtests.records.cell_spec import DOWNSTREAM, Load, Slo
from loadtests.records.errors import UsageError
from loadtests.records.repeats import SEARCHED
from loadtests.records.schema import Cell, Run, Validity, Value
from loadtests.records.store import RunStore
from loadtests.report.capacity import ALONG
from loadtests.report.quantity import AtLeast, greatest
from loadtests.run import plan, pressure
from loadtests.run.plan import PlannedCell
from loadtests.run.scenario import Scenario
from loadtests.run.validity import CLOCK_ERROR_MS


@dataclass(slots=True)
class Search:
    """The search for the highest rate that is still carried: doubling, then halving on a log scale. Pure.

    `next_rate` says what to try, `note` takes how it went; rates are messages a second and room, or whole numbers.
    One miss may be a neighbour's fault: a rate counts as missed when it was missed twice.
    """

    lowest: float
    highest: float
    within: float  # the search ends when missed / met is at most this, e.g. 1.1
    max_steps: int
    whole: bool = False  # what is searched is a number of something
    met: float | None = None  # the highest rate that was carried
    missed: float | None = None  # the lowest one that was not
    steps: int = 0
    _suspect: float | None = field(default=None, init=False)  # missed once

    def next_rate(self) -> float | None:
        """Return the rate to try next; None when the search is over, or out of steps."""
        return self._next() if self.steps < self.max_steps else None

    @property
    def over(self) -> bool:
        """Whether nothing is left to try, however many steps there were."""
        return self._next() is None

    def _next(self) -> float | None:
        if self._suspect is not None:
            return self._suspect
        if self.met is None:
            return self.lowest if self.missed is None else None
        if self.missed is None:
            return min(2 * self.met, self.highest) if self.met < self.highest else None
        if self.missed / self.met <= self.within:
            return None
        middle = _rounded(math.sqrt(self.met * self.missed))
        middle = round(middle) if self.whole else middle
        return middle if self.met < middle < self.missed else None

    def note(self, rate: float, *, met: bool) -> None:
        """Take the outcome of one try."""
        self.steps += 1
        if met:
            self.met, self._suspect = rate, None
        elif self._suspect == rate:
            self.missed, self._suspect = rate, None
        else:
            self._suspect = rate


def _rounded(rate: float, significant: int = 3) -> float:
    return round(rate, significant - 1 - math.floor(math.log10(rate)))


RATE, SUBSCRIBERS, ROOMS = ALONG
LATE_SHARE = 0.2
"""Of the objective's p99: so late may the generator be for a rate to count as carried."""

USUAL = {RATE: (10.0, 5000.0), SUBSCRIBERS: (50.0, 20_000.0), ROOMS: (1.0, 1000.0)}
"""Where a search begins and ends unless it is said."""


@dataclass(frozen=True, slots=True)
class SearchRange:
    """What is raised, where the search looks and when it ends."""

    lowest: float
    highest: float
    within_percent: float
    max_steps: int  # of each transport
    max_minutes: float
    along: str = RATE  # one of `report.capacity.ALONG`

    def check(self) -> None:
        """Raise UsageError unless there is something to search."""
        rules = (
            (
                0 < self.lowest < self.highest <= 100_000,
                "--from must be above 0 and below --to (<= 100000)",
            ),
            (0.1 <= self.within_percent <= 100, "--within 0.1 to 100 (per cent) is allowed"),
            (1 <= self.max_steps <= 100, "--steps 1 to 100 is allowed"),
            (0 < self.max_minutes <= 1440, "--minutes above 0, at most 1440, is allowed"),
            (
                self.along == RATE or (self.lowest == int(self.lowest) and self.highest == int(self.highest)),
                f"--from and --to are whole numbers of {self.along}",
            ),
        )
        for holds, allowed in rules:
            if not holds:
                raise UsageError(f"{self}: {allowed}")


def raised(load: Load, along: str, to: float) -> Load:
    """Return the load with so high a rate, or so many subscribers, or rooms with as many subscribers each as before."""
    named = msgspec.structs.replace(load, name=f"{load.name}-{along}{to:g}")
    if along == RATE:
        return msgspec.structs.replace(named, rate_per_s=to)
    if along == SUBSCRIBERS:
        return msgspec.structs.replace(named, subscribers=int(to))
    return msgspec.structs.replace(named, rooms=int(to), subscribers=int(to) * math.ceil(load.subscribers / load.rooms))


def raised_in(scenario: Scenario, along: str, to: float) -> Scenario:
    """Return the scenario with its loads raised."""
    cells = [msgspec.structs.replace(cell, load=raised(cell.load, along, to)) for cell in scenario.cells]
    return msgspec.structs.replace(scenario, cells=tuple(cells))


def _reached(cell: Cell, along: str) -> float:
    return {RATE: cell.rate_per_s, SUBSCRIBERS: cell.subscribers, ROOMS: cell.rooms}[along]


def with_the_load(scenario: Scenario, along: str = RATE) -> Scenario:
    """Return the scenario with the one cell whose rate is searched; UsageError where that is not clear."""
    tabled = [cell for cell in scenario.cells if cell.kind == "latency"]
    if len(tabled) != 1:
        raise UsageError(
            f"the scenario {scenario.name} has {len(tabled)} cells of the kind latency; capacity is searched for one"
        )
    (cell,) = tabled
    if along != RATE and cell.load.direction != DOWNSTREAM:
        raise UsageError(f"--over {along} needs a load in the direction {DOWNSTREAM}, not {cell.load.direction}")
    return msgspec.structs.replace(scenario, cells=(msgspec.structs.replace(cell, kind=SEARCHED),), blocks=1)


class SearchPasses:
    """The passes of one search over several transports: what to measure next, and what was found."""

    def __init__(
        self,
        planned: Sequence[PlannedCell],
        slo: Slo,
        search_range: SearchRange,
        seed: int,
        *,
        proven_only: bool = False,
    ) -> None:
        """Search for each of `planned`, one cell per transport, whose load is raised.

        `proven_only`: a miss is the server's only where it alone was at its limit.
        """
        self._proven_only = proven_only
        self._cells = {cell.target.name: cell for cell in planned}
        self._slo = slo
        self._range = search_range
        self._random = random.Random(seed)
        within = 1 + search_range.within_percent / 100
        self._searches = {
            name: Search(
                search_range.lowest,
                search_range.highest,
                within,
                search_range.max_steps,
                whole=search_range.along != RATE,
            )
            for name in self._cells
        }
        self._reasons = dict.fromkeys(self._cells, "")
        self._who = dict.fromkeys(self._cells, ("", ""))  # who gave up at what was missed, and by which figures
        self._server_missed = dict.fromkeys(self._cells, True)  # whether it was the server's miss
        self._noted: set[str] = set()
        self._order = 0
        self._deadline = time.monotonic() + 60 * search_range.max_minutes

    @property
    def first(self) -> tuple[PlannedCell, ...]:
        """The cells that are measured in any case."""
        return tuple(self._cells.values())

    def next(self, store: RunStore) -> tuple[PlannedCell, ...]:
        """Take what was measured and return the next pass; nothing when the search is over."""
        for cell in store.run.cells:
            if cell.id not in self._noted:
                self._noted.add(cell.id)
                self._note(cell, store.folder)
        store.describe(SEARCHED, dict(self._found()))
        names = [] if time.monotonic() > self._deadline else list(self._cells)
        self._random.shuffle(names)
        return tuple(self._at(name, rate) for name in names if (rate := self._searches[name].next_rate()) is not None)

    def reached(self, run: Run) -> str:
        """Say how many cells were measured, and what is not known yet."""
        searched = [name for name, search in self._searches.items() if not search.over]
        return f"after {len(run.cells)} cells; the search was not over for {', '.join(searched)}"

    def _at(self, name: str, rate: float) -> PlannedCell:
        cell, search = self._cells[name], self._searches[name]
        load = raised(cell.load, self._range.along, rate)
        self._order += 1
        return replace(
            cell, id=f"{search.steps}-{name}-{load.name}", load=load, block=search.steps, order=self._order - 1
        )

    def _note(self, cell: Cell, folder: Path) -> None:
        reason = against(cell, p99_ms(cell, folder / "cells" / cell.id), self._slo)
        search, reached = self._searches[cell.transport], _reached(cell, self._range.along)
        search.note(reached, met=not reason)
        if reason and search.missed == reached:  # a first miss may yet be a neighbour's fault
            who = pressure.who_gave_up(cell)
            self._reasons[cell.transport] = reason
            self._who[cell.transport] = who, pressure.evidence(cell)
            seems = not self._proven_only and not plan.spoilt_by_environment(cell) and cell.failed in ("", "server")
            self._server_missed[cell.transport] = who == pressure.SERVER if who else seems

    def _found(self) -> Iterator[tuple[str, Value]]:
        end = ALONG[self._range.along]
        yield "slo_p99_ms", self._slo.p99_ms
        yield "slo_reach_percent", self._slo.reach_percent
        yield "within_percent", self._range.within_percent
        yield "along", self._range.along
        yield f"highest_{end}", self._range.highest
        for name, search in self._searches.items():
            yield f"{name}.met_{end}", search.met
            yield f"{name}.missed_{end}", search.missed
            yield f"{name}.steps", search.steps
            yield f"{name}.over", search.over
            yield f"{name}.against", self._reasons[name] if search.missed is not None else ""
            yield f"{name}.gave_up", self._who[name][0]
            yield f"{name}.evidence", self._who[name][1]
            yield f"{name}.told", search.missed is None or self._server_missed[name]


def against(cell: Cell, p99: float | None, slo: Slo) -> str:
    """Return what speaks against a cell having met the objective; empty when it has."""
    told = not plan.spoilt_by_environment(cell) or _only_slower(cell, slo)
    if not told:
        return "; ".join(cell.verdict.reasons)
    if cell.counts is None:
        return "; ".join(cell.verdict.reasons)
    reach_percent = 100 * cell.counts.reach
    if reach_percent < slo.reach_percent:
        return f"reach is {reach_percent:.4g} %"
    if p99 is None:
        return "too few deliveries for a p99: measure longer, or with more receivers"
    if greatest(p99) > slo.p99_ms:
        return f"p99 is {'>= ' if isinstance(p99, AtLeast) else ''}{p99:.3g} ms"
    if plan.spoilt_by_environment(cell):  # what the generator added is in the p99, and it was met all the same
        return ""
    return "; ".join(cell.verdict.reasons) if cell.verdict.validity is Validity.INVALID else ""


def _only_slower(cell: Cell, slo: Slo) -> bool:
    """Whether all that the generator did wrong was to be late, and by a small part of the objective.

    A late publication, a late read and what shares a read look slower than they were: a cell that meets its objective
    in spite of it has met it. A clock that was wrong may err to either side.
    """
    health = cell.instrument
    if health is None or health.clock_steps or health.strangers:
        return False
    earliest_ms = min(health.rx_gap_ms_min or 0.0, health.transit_ms_min or 0.0)
    late_ms = max(health.hub_lag_ms_p99 or 0.0, health.publish_lateness_ms_p99 or 0.0, health.rx_gap_ms_p99 or 0.0)
    return earliest_ms >= -CLOCK_ERROR_MS and late_ms <= LATE_SHARE * slo.p99_ms


def p99_ms(cell: Cell, folder: Path) -> float | None:
    """Return the 99th percentile of a cell's delivery latency; None without tables, or too few rows to state it.

    An `AtLeast` where it falls on what never came.
    """
    from loadtests.report import latency

    samples, publishes = folder / "samples.parquet", folder / "publishes.parquet"
    if not samples.is_file() or not publishes.is_file():
        return None
    columns = ["scheduled_ns", "kernel_rx_ns", "user_rx_ns", "phase", *latency.IDENTITY_COLUMNS]
    received = latency.measured(pq.read_table(samples, columns=columns).to_pandas())
    missing = latency.missing(cell, received, latency.measured(pq.read_table(publishes).to_pandas()))
    found = latency.ascending(latency.delivery_latency_ms(latency.timed(received)), missing.at_least_ms)
    return latency.percentile(found.ms, 99, found.exact)
