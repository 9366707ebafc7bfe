"""`rtlab browser`: the race page's clients in real browsers, beside the lab's synthetic ones, in one run folder."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from loadtests.evidence.browser import findings, page
from loadtests.evidence.browser.engines import ENGINES, Engine
from loadtests.evidence.browser.findings import LANES, PAGE, Durations
from loadtests.evidence.browser.page import Latency, probe
from loadtests.records.cell_spec import Load
from loadtests.records.errors import BrowserError, Interrupted, LabError, ServerError
from loadtests.records.schema import Cell, Costs, Validity, Value, Verdict
from loadtests.records.store import RunStore
from loadtests.run import cell as cells
from loadtests.run import experiment, manifest, plan, targets
from loadtests.run.plan import PlannedCell
from loadtests.run.process import interruptible, running_on
from loadtests.run.scenario import CellPlan, Scenario
from loadtests.run.servers import Server, ServerSettings
from loadtests.run.targets import Target

_DEMO = {"RTLAB_DEMO": "1", "RTLAB_HISTORY_EVENTS": "20000"}
_NO_COSTS = Costs(None, None, None, None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. Both kinds of cell get the same load."""

    engines: Sequence[Engine]
    seed: int
    runs_folder: Path
    blocks: int = 2
    warm_up_s: float = 1.0
    measured_s: float = 5.0
    grace_s: float = 10.0  # at most; a cell ends as soon as everything has come
    lanes: Sequence[str] = LANES
    durations: Durations = field(default_factory=Durations)
    load: Load = field(default_factory=lambda: Load(name="1x50", subscribers=1, rate_per_s=50.0))
    synthetic: Sequence[Target] = targets.TARGETS  # what the lab's own clients speak beside the browsers

    def scenario(self) -> Scenario:
        """The synthetic half, as the lab knows it."""
        return Scenario(
            name="browser",
            about="the page's clients in browsers beside the lab's own",
            cells=(CellPlan(load=self.load),),
            blocks=self.blocks,
            warm_up_s=self.warm_up_s,
            measured_s=self.measured_s,
        )


@dataclass(frozen=True, slots=True)
class PageCell:
    """One cell in a browser, before it ran."""

    engine: Engine
    lane: str
    block: int

    @property
    def transport(self) -> str:
        """The name in the run: a browser's client is a system of its own."""
        return f"{self.engine.name}-{self.lane}"


def browser(*, browsers: str | None, quick: bool, seed: int | None, runs_folder: Path) -> int:
    """Carry out `rtlab browser`: return its exit code. Raises LabError."""
    drawn = secrets.randbelow(2**32) if seed is None else seed
    planned = Plan(engines=installed(browsers), seed=drawn, runs_folder=runs_folder)
    if quick:
        planned = replace(planned, blocks=1, measured_s=3.0, durations=Durations(hidden=4.0, flood=2.0))
    return measure(planned)


def installed(names: str | None) -> tuple[Engine, ...]:
    """The browsers asked for (comma-separated), or all that are here. Raises LabError."""
    known = {engine.name: engine for engine in ENGINES}
    if names is not None:
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        if unknown := [name for name in wanted if name not in known]:
            raise LabError(f"unknown browser {unknown[0]!r}; there are: {', '.join(known)}")
        chosen = [known[name] for name in wanted]
    else:
        chosen = [engine for engine in ENGINES if engine.program() is not None]
    missing = [engine for engine in chosen if engine.program() is None]
    if missing or not chosen:
        looked = ", ".join(program for engine in missing or ENGINES for program in engine.programs)
        raise BrowserError(f"no browser to measure: looked for {looked}")
    return tuple(chosen)


def measure(planned: Plan) -> int:
    """Make the run, print table and report path; return the exit code. Raises LabError."""
    started_s = time.monotonic()
    bench = experiment.bench_of(ServerSettings(variables=_DEMO))
    synthetic = plan.draw(planned.scenario(), planned.synthetic, planned.seed)
    order = _order(planned, synthetic)
    store = _store(planned, bench, len(order))
    note = ""
    with interruptible() as check, running_on(bench.cores.generator):
        try:
            for number, cell in enumerate(order):
                check()
                if isinstance(cell, PageCell):
                    done = _page_cell(cell, number, planned, bench, store)
                else:
                    done = cells.run(cell, bench, store, check=check, on_progress=lambda progress: None)
                print(f"{number + 1}/{len(order)} {done.id}: {done.verdict.validity}", flush=True)
            for engine in planned.engines:
                check()
                print(f"{engine.name}: connections, outages, hidden tab, flood, HTTP/2", flush=True)
                store.describe(f"browser_{engine.name}", _examine(engine, planned, bench, store))
        except Interrupted as reason:
            note = f"{reason} after {len(store.run.cells)} of {len(order)} cells"
        store.update(elapsed_s=time.monotonic() - started_s, note=note)
    from loadtests.report.conclude import INTERRUPTED, conclude

    code = conclude(store.folder, store.finish())
    return INTERRUPTED if note else code


def _order(planned: Plan, synthetic: Sequence[PlannedCell]) -> list[PlannedCell | PageCell]:
    """Shuffle both kinds of cell together, block by block."""
    rng = random.Random(planned.seed)
    order: list[PlannedCell | PageCell] = []
    for block in range(planned.blocks):
        mixed: list[PlannedCell | PageCell] = [cell for cell in synthetic if cell.block == block]
        mixed += [PageCell(engine, lane, block) for engine in planned.engines for lane in planned.lanes]
        rng.shuffle(mixed)
        order += mixed
    return order


def _store(planned: Plan, bench: cells.Bench, cell_count: int) -> RunStore:
    settings: dict[str, Value] = {
        **bench.settings.recorded(),
        "link": "loopback",
        "warm_up_s": planned.warm_up_s,
        "measured_s": planned.measured_s,
        "browsers": ",".join(engine.version() for engine in planned.engines),
    }
    environment = manifest.collect(settings, planned.seed)
    return RunStore.create(planned.runs_folder, experiment.new_run("browser", environment, cell_count))


def _page_cell(cell: PageCell, number: int, planned: Plan, bench: cells.Bench, store: RunStore) -> Cell:
    """Measure one lane in a fresh browser against a fresh server; a failure makes the cell invalid."""
    cell_id = f"{cell.block}-{cell.transport}-{planned.load.name}"
    started_utc = datetime.now(UTC).isoformat(timespec="seconds")
    made, counted, health = {}, None, None
    server: dict[str, str | int | float | bool] = {}
    try:
        answer, server = _latency(cell, cell_id, planned, bench, store)
        made = page.tables(cell_id, answer, planned.load.payload_bytes)
        counted, health = page.count(cell_id, answer, made, planned.load), page.instrument(answer)
        verdict = page.judge(counted, health)
    except (BrowserError, ServerError) as error:
        verdict = Verdict(Validity.INVALID, (str(error),))
    done = Cell(
        id=cell_id,
        transport=cell.transport,
        load=planned.load.name,
        kind="latency",
        block=cell.block,
        order=number,
        subscribers=1,
        publishers=1,
        rooms=1,
        rate_per_s=planned.load.rate_per_s,
        payload_bytes=planned.load.payload_bytes,
        warm_up_s=planned.warm_up_s,
        measured_s=planned.measured_s,
        link="loopback",
        verdict=verdict,
        counts=counted,
        costs=_NO_COSTS if counted is not None else None,
        instrument=health,
        server=server,
        started_utc=started_utc,
    )
    store.add(done, made)
    return done


def _latency(
    cell: PageCell, cell_id: str, planned: Plan, bench: cells.Bench, store: RunStore
) -> tuple[Latency, dict[str, str | int | float | bool]]:
    options = {
        "lane": cell.lane,
        "room": "latency",
        "ratePerS": planned.load.rate_per_s,
        "payloadBytes": planned.load.payload_bytes,
        "warmUpS": planned.warm_up_s,
        "measuredS": planned.measured_s,
        "graceS": planned.grace_s,
    }
    takes_s = planned.warm_up_s + planned.measured_s + planned.grace_s
    with _server(cell_id, bench, store) as server, cell.engine.started(store.log("browser", cell_id)) as browser:
        answer = probe(browser, browser.open(f"{server.url}{PAGE}"), "latency", options, Latency, takes_s=takes_s)
        return answer, server.describe() | page.painting(answer)


def _examine(engine: Engine, planned: Plan, bench: cells.Bench, store: RunStore) -> dict[str, Value]:
    name = f"findings-{engine.name}"
    try:
        with _server(name, bench, store) as server, engine.started(store.log("browser", name)) as browser:
            found = findings.examine(browser, server.url, planned.durations)
            return found | findings.examine_http2(
                browser, lambda wanted: _server(f"{name}-{wanted}", bench, store, targets.target(wanted))
            )
    except (BrowserError, ServerError) as error:
        return {"failed": str(error)}


def _server(name: str, bench: cells.Bench, store: RunStore, target: Target | None = None) -> Server:
    settings = bench.settings if target is None else bench.settings.of_target(target)
    served = "all" if target is None else target.server_name
    server = Server(served, settings, log=store.log("server", name), on_cores=bench.cores.server)
    try:
        server.wait_ready(lambda: None)
    except BaseException:
        server.stop()
        raise
    return server
