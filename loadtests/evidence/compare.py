"""`rtlab compare`, `run` and `capacity`: from a scenario's name to a run folder, a report and a table."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.evidence import capacity as searched
from loadtests.evidence.capacity import SearchRange
from loadtests.records.cell_spec import Slo, Workers
from loadtests.records.errors import LabError, UsageError
from loadtests.report.thresholds import Threshold, ThresholdError, of_slo, parse, require_known
from loadtests.run import experiment, foreign, foreign_facts, instances, quota, targets, workers
from loadtests.run import scenario as scenarios
from loadtests.run.experiment import Experiment, RunOutcome
from loadtests.run.foreign import Foreign
from loadtests.run.instances import Scaling
from loadtests.run.links import route as routes
from loadtests.run.scenario import Scenario
from loadtests.run.servers import ServerSettings
from loadtests.run.targets import Target


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks of a run, as the command line understood it; None leaves the choice to the lab."""

    runs_folder: Path
    transports: str | None = None  # comma-separated names
    seed: int | None = None
    deflate: bool = False
    tls: bool = False
    redis_url: str | None = None  # with it the busiest load is also measured on servers of several instances
    instances: int | None = None
    link: str | None = None  # puts the scenario's cells behind this link, see `records.link_spec`
    fail_if: tuple[str, ...] = ()  # thresholds, see `report.thresholds`
    target_urls: tuple[str, ...] = ()  # of a server that is not ours, whose adapter does not say it; one at most
    adapters: tuple[str, ...] = ()  # names or files: how to speak to it
    server_cpu_percent: float | None = None  # of a core, what the lab's own servers are held to
    workers: Workers | None = None  # Locust workers instead of one generator
    wide: bool = False  # print every column of the table


def compare(scenario: str, request: Request) -> int:
    """Measure a scenario (name or TOML file) and print table and report path; return the exit code.

    With a Redis, its busiest load is measured a second time, on servers of several instances.
    """
    scaled = instances.asked(request.redis_url, request.instances)
    if scaled is not None and request.workers is not None and request.workers.elsewhere:
        raise UsageError(
            "--redis measures servers of several processes on this machine: without workers from elsewhere"
        )
    chosen = scenarios.find(scenario)
    if request.tls:
        chosen = scenarios.over_tls(chosen)
    if request.link is not None:
        chosen = scenarios.over_link(chosen, request.link)
    if scaled is not None:
        chosen = scenarios.scaled_out(chosen)
    selected = _selected(request, chosen)
    thresholds = _thresholds(request.fail_if, chosen, [target.name for target in selected])
    made = _experiment(request, chosen, selected, scaled)
    if scaled is not None:
        instances.require_redis(scaled.redis_url)
    routes.require({cell.link for cell in chosen.cells})
    if chosen.calibrate:
        made = _calibrated(made)
    outcome = experiment.conduct(made)
    return _concluded(outcome, thresholds, wide=request.wide)


def _experiment(
    request: Request, scenario: Scenario, selected: Sequence[Target], scaled: Scaling | None = None
) -> Experiment:
    running = [each.adapter.name for each in _foreign(selected) if each.adapter.server is None]
    if running and request.server_cpu_percent is not None:
        raise UsageError(
            f"--server-cpu holds servers that the lab starts, and {running[0]}'s runs already: say in [server] of the "
            "adapter how it is started, or leave --server-cpu out"
        )
    settings = ServerSettings(deflate=request.deflate, tls=request.tls, cpu_percent=_held(request.server_cpu_percent))
    bench = experiment.bench_of(settings, scaled, request.workers)
    if request.workers is not None:
        workers.require_measurable(request.workers, scenario)
        workers.require_bindable(request.workers)
        workers.require_reachable(request.workers, _foreign(selected))
        print(*workers.announcement(request.workers, len(bench.cores.generator)), sep="\n", flush=True)
    return Experiment(
        scenario=scenario,
        targets=selected,
        seed=secrets.randbelow(2**32) if request.seed is None else request.seed,
        runs_folder=request.runs_folder,
        bench=bench,
        sections={"targets": described} if (described := foreign_facts.described(_foreign(selected))) else {},
    )


def _foreign(selected: Sequence[Target]) -> list[Foreign]:
    return [target.foreign for target in selected if target.foreign is not None]


def _held(percent: float | None) -> float | None:
    """Return what of a core servers are to be held to; None, with a word on it, where that can't be done here."""
    if percent is None or not (why := quota.why_not()):
        return percent
    print(
        f"no control group with a processor quota can be made here ({why}): servers are not held to {percent:g} %, and "
        "what the generator could not offer says at least"
    )
    return None


def _calibrated(made: Experiment) -> Experiment:
    """Calibrate the experiment's clients, say what came of it, and let the run hold it."""
    from loadtests.evidence.calibration.suite import preflight

    ours = [target for target in made.targets if target.foreign is None]
    if not ours:
        return made
    found = preflight(ours)
    print(found.sentence(), flush=True)
    return replace(made, checks=found.checks, sections={**made.sections, "calibration": found.section()})


def capacity(scenario: str, request: Request, search_range: SearchRange, p99_ms: float | None) -> int:
    """Search the highest rate at which a scenario's one load meets its objective; return the exit code.

    `p99_ms` stands in for the scenario's own. 4 when no rate could be judged for one of the transports.
    """
    search_range.check()
    chosen = scenarios.find(scenario)
    slo = chosen.slo if p99_ms is None else Slo(p99_ms=p99_ms)
    if slo is None:
        raise UsageError(f"the scenario {chosen.name} has no slo: give it one, or --p99 MS")
    slo.check()
    chosen = searched.with_the_load(chosen, search_range.along)
    if request.link is not None:
        chosen = scenarios.over_link(chosen, request.link)
    first, last = (
        searched.raised_in(chosen, search_range.along, to) for to in (search_range.lowest, search_range.highest)
    )
    if request.workers is not None:
        workers.require_measurable(request.workers, first)
    made = _experiment(request, chosen, _selected(request, last))
    routes.require({cell.link for cell in chosen.cells})
    if complaint := experiment.too_many(max(cell.load.subscribers for cell in last.cells)):
        raise LabError(complaint)
    unheld = request.server_cpu_percent is not None and made.bench.settings.cpu_percent is None
    passes = searched.SearchPasses(made.cells(), slo, search_range, made.seed, proven_only=unheld)
    return _concluded(experiment.conduct(made, passes=passes), wide=request.wide)


def _selected(request: Request, scenario: Scenario) -> tuple[Target, ...]:
    """Return what is measured: foreign servers alone or beside `--transports`, else those, else the scenario's."""
    foreign_targets = foreign.selected(request.target_urls, request.adapters)
    targets.require_own_names([each.adapter.name for each in foreign_targets])
    if foreign_targets and request.tls:
        raise UsageError(
            "--tls starts the lab's own servers with TLS; of a foreign server that speaks it give the address as https://"
        )
    if foreign_targets:
        foreign.require_measurable(scenario, foreign_targets)
        foreign_facts.require_startable(foreign_targets)
    if foreign_targets and request.transports is None:
        return tuple(map(targets.of_foreign, foreign_targets))
    names = request.transports.split(",") if request.transports is not None else scenario.transports or targets.names()
    return (*targets.select(names), *map(targets.of_foreign, foreign_targets))


def _concluded(outcome: RunOutcome, thresholds: Sequence[Threshold] = (), *, wide: bool = False) -> int:
    from loadtests.report.conclude import INTERRUPTED, conclude

    if not outcome.interrupted:
        return conclude(outcome.folder, outcome.run, thresholds, wide=wide)
    try:
        conclude(outcome.folder, outcome.run, thresholds, wide=wide)
    except LabError as error:
        print(f"rtlab: {error}", file=sys.stderr)
    return INTERRUPTED


def _thresholds(texts: Sequence[str], scenario: Scenario, transports: Collection[str]) -> tuple[Threshold, ...]:
    """Read what the run is held to, the scenario's own objective last; UsageError for what it could not be."""
    try:
        asked = tuple(parse(text) for text in texts)
        require_known(asked, transports, [cell.load.name for cell in scenario.cells])
    except ThresholdError as error:
        raise UsageError(str(error)) from None
    return asked if scenario.slo is None else (*asked, *of_slo(scenario.slo))
