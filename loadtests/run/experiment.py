"""Run a scenario: plan, cells in order, one run folder. Ctrl-C keeps what is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from loadtests.load.clients import sockets
from loadtests.records.calibration import Check
from loadtests.records.cell_spec import Workers
from loadtests.records.errors import Interrupted, LabError
from loadtests.records.schema import SCHEMA_VERSION, Manifest, Run, Value
from loadtests.records.store import RunStore
from loadtests.run import cell as cells
from loadtests.run import manifest, plan
from loadtests.run.ahead import ServerAhead
from loadtests.run.cell import Bench
from loadtests.run.instances import Scaling
from loadtests.run.plan import REPEATS, Passes, PlannedCell, RepeatPasses
from loadtests.run.process import available_cores, divide_cores, interruptible, running_on
from loadtests.run.progress import Display, display
from loadtests.run.scenario import SCALED, Scenario
from loadtests.run.servers import ServerSettings
from loadtests.run.targets import CLAIMS_MS, Target

_SPARE_FILES = 200  # beside the connections: modules, logs, pipes, the listener


@dataclass(frozen=True, slots=True)
class Experiment:
    """One run to be made."""

    scenario: Scenario
    targets: Sequence[Target]
    seed: int
    runs_folder: Path
    bench: Bench = field(default_factory=Bench)
    passes: int = REPEATS  # how often cells that only the environment spoilt are measured again
    checks: Sequence[Check] = ()  # what a calibration before the run found
    sections: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)  # of the manifest, beside its own

    def cells(self) -> tuple[PlannedCell, ...]:
        """Return the run's cells in order."""
        return plan.draw(self.scenario, self.targets, self.seed)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of an experiment."""

    folder: Path
    run: Run
    interrupted: bool


def conduct(
    experiment: Experiment,
    show: Callable[[Sequence[PlannedCell]], Display] = display,
    passes: Passes | None = None,
) -> RunOutcome:
    """Run the experiment; LabError if it can't start, Ctrl-C ends it early with the finished cells kept.

    Without `passes` these are the experiment's cells, then those of them that the environment spoilt.
    """
    passes = RepeatPasses(experiment.cells(), experiment.passes) if passes is None else passes
    planned = passes.first
    connections = max(cell.load.subscribers for cell in planned)
    if complaint := too_many(connections):
        raise LabError(complaint)
    started = time.monotonic()
    environment = manifest.collect(_settings(experiment), experiment.seed)
    environment |= {name: dict(values) for name, values in experiment.sections.items()}
    store = RunStore.create(
        experiment.runs_folder, new_run(experiment.scenario.name, environment, len(planned), experiment.checks)
    )
    interrupted = False
    # The lab itself stays off the server's core.
    with interruptible() as check, running_on(experiment.bench.cores.generator):
        try:
            while todo := passes.next(store):
                _measure(todo, experiment.bench, store, check, show, started)
        except Interrupted as reason:
            interrupted = True
            store.update(elapsed_s=time.monotonic() - started, note=f"{reason} {passes.reached(store.run)}")
        finally:
            store.describe("servers", _servers(store.run))
            run = store.finish()
    return RunOutcome(store.folder, run, interrupted)


def too_many(subscribers: int) -> str:
    """Return why so many subscribers can't connect; empty where they can. It raises the limit of open files."""
    return sockets.too_few_files(subscribers, _SPARE_FILES)


def _measure(
    planned: Sequence[PlannedCell],
    bench: Bench,
    store: RunStore,
    check: Callable[[], None],
    show: Callable[[Sequence[PlannedCell]], Display],
    started: float,
) -> None:
    shown, ahead = show(planned), ServerAhead(lambda cell: cells.start_server(cell, bench, store))
    try:
        for cell, ahead.next in zip_longest(planned, planned[1:]):
            shown.begin(cell)
            shown.end(cells.run(cell, bench, store, check=check, on_progress=shown.on_progress, ahead=ahead))
            store.update(elapsed_s=time.monotonic() - started)
    finally:
        ahead.close()
        shown.close()


def new_run(scenario: str, environment: Manifest, planned_cells: int, checks: Sequence[Check] = ()) -> Run:
    """Return a run that begins now, without a cell; `checks`: what a calibration before it found."""
    now = datetime.now(UTC)
    return Run(
        schema_version=SCHEMA_VERSION,
        run_id=f"{now:%Y%m%dT%H%M%SZ}-{scenario}-{manifest.short_commit(environment['git'])}",
        scenario=scenario,
        complete=False,
        started_utc=now.isoformat(timespec="seconds"),
        elapsed_s=0.0,
        planned_cells=planned_cells,
        manifest=environment,
        protected=manifest.protected(environment),
        claims=CLAIMS_MS,
        calibration=tuple(checks),
    )


def _settings(experiment: Experiment) -> dict[str, Value]:
    """Return every setting of the lab that may move a figure."""
    bench = experiment.bench
    loads = [cell.load for cell in experiment.scenario.cells]
    settings: dict[str, Value] = dict(bench.settings.recorded())
    if bench.scaling is not None:
        settings |= bench.scaling.recorded()
    return settings | {
        "deflate": bench.settings.deflate,
        **({"tls": True} if bench.settings.tls else {}),  # left out, as in the runs of before there was TLS
        **({} if bench.settings.cpu_percent is None else {"server_cpu_percent": bench.settings.cpu_percent}),
        "server_arguments": " ".join(bench.settings.arguments),
        "server_cores": _listed(bench.cores.server),
        "generator_cores": _listed(bench.cores.generator),
        "users": experiment.scenario.users,
        "warm_up_s": experiment.scenario.warm_up_s,
        "grace_s": experiment.scenario.grace_s,
        "poll_interval_s": _one(load.poll_interval_s for load in loads),
        "poll_wait_s": _one(load.poll_wait_s for load in loads),
        **_generators(bench.workers),
        **_foreign(experiment.targets),
        "link": "; ".join(dict.fromkeys(cell.link for cell in experiment.scenario.cells)),
    }


def _generators(workers: Workers | None) -> dict[str, Value]:
    """Return how many generators there were, where it was not one."""
    if workers is None:
        return {}
    return {"generators": workers.here + workers.elsewhere, "generators_elsewhere": workers.elsewhere}


def _foreign(targets: Sequence[Target]) -> dict[str, Value]:
    """Return on which machine foreign servers run, without their address, and by which adapters they were measured."""
    foreign = [target.foreign for target in targets if target.foreign is not None]
    if not foreign:
        return {}
    places = sorted({each.place for each in foreign})
    return {"target": ", ".join(places), "adapters": ", ".join(each.adapter.name for each in foreign)}


def _one(values: Iterable[float]) -> float | None:
    """Return the value that all loads share; None if they differ (each cell then has its own)."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _listed(which: frozenset[int]) -> str:
    return ",".join(str(core) for core in sorted(which)) or "not pinned"


def _servers(run: Run) -> dict[str, Value]:
    """Return what the servers of one process said of themselves, e.g. `websocket.tcp_nodelay`."""
    alone = [cell for cell in run.cells if cell.kind != SCALED]
    return {f"{cell.transport}.{key}": value for cell in alone for key, value in cell.server.items()}


def bench_of(settings: ServerSettings, scaling: Scaling | None = None, workers: Workers | None = None) -> Bench:
    """Return the bench of this machine: the server on the first core, the generator and the lab on the others.

    Several instances get a core each while there are enough; every cell of the run is then measured on those cores.
    """
    server_cores = 1 if scaling is None else scaling.instances
    return Bench(
        settings=settings,
        cores=divide_cores(available_cores(), server_cores=server_cores),
        scaling=scaling,
        workers=workers,
    )
