"""`rtlab compare`, `run` and `capacity`: from a scenario's name to a run folder, a report and a table."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace

from rich.console import Console

from loadtests.evidence import capacity as searched
from loadtests.evidence.capacity import Bounds
from loadtests.evidence.request import Request
from loadtests.records.cell_spec import Slo
from loadtests.records.errors import LabError, UsageError
from loadtests.report.thresholds import Threshold, ThresholdError, of_slo, parse, require_known
from loadtests.run import experiment, foreign, progress, scaling, targets
from loadtests.run import scenario as scenarios
from loadtests.run.experiment import Experiment, Outcome
from loadtests.run.links import route as routes
from loadtests.run.plan import PlannedCell
from loadtests.run.progress import Display
from loadtests.run.scaling import Scaling
from loadtests.run.scenario import Scenario
from loadtests.run.servers import ServerSettings
from loadtests.run.targets import Target


def compare(scenario: str, request: Request) -> int:
    """Measure a scenario (name or TOML file) and print table and report path; return the exit code.

    With a Redis, its busiest load is measured a second time, on servers of several instances.
    """
    scaled = scaling.asked(request.redis_url, request.instances)
    chosen = scenarios.find(scenario)
    if request.link is not None:
        chosen = scenarios.over_link(chosen, request.link)
    if scaled is not None:
        chosen = scenarios.scaled_out(chosen)
    selected = _selected(request, chosen)
    thresholds = _thresholds(request.fail_if, chosen, [target.name for target in selected])
    made = _experiment(request, chosen, selected, scaled)
    if scaled is not None:
        scaling.require_redis(scaled.redis_url)
    routes.require({cell.link for cell in chosen.cells})
    if chosen.calibrate:
        made = _calibrated(made)
    outcome = experiment.conduct(made, _display)
    return _concluded(outcome, thresholds)


def _experiment(
    request: Request, scenario: Scenario, selected: Sequence[Target], scaled: Scaling | None = None
) -> Experiment:
    return Experiment(
        scenario=scenario,
        targets=selected,
        seed=secrets.randbelow(2**32) if request.seed is None else request.seed,
        runs_folder=request.runs_folder,
        bench=experiment.bench_of(ServerSettings(deflate=request.deflate), scaled),
    )


def _display(cells: Sequence[PlannedCell]) -> Display:
    return progress.display(Console(), cells)


def _calibrated(made: Experiment) -> Experiment:
    """Calibrate the experiment's clients, say what came of it, and let the run hold it."""
    from loadtests.evidence.calibration.preflight import preflight

    ours = [target for target in made.targets if target.foreign is None]
    if not ours:
        return made
    found = preflight(ours)
    print(found.sentence(), flush=True)
    return replace(made, checks=found.checks, sections={**made.sections, "calibration": found.section()})


def capacity(scenario: str, request: Request, bounds: Bounds, p99_ms: float | None) -> int:
    """Search the highest rate at which a scenario's one load meets its objective; return the exit code.

    `p99_ms` stands in for the scenario's own. 4 when no rate could be judged for one of the transports.
    """
    bounds.check()
    chosen = scenarios.find(scenario)
    slo = chosen.slo if p99_ms is None else Slo(p99_ms=p99_ms)
    if slo is None:
        raise UsageError(f"the scenario {chosen.name} has no slo: give it one, or --p99 MS")
    slo.check()
    chosen = searched.with_the_load(chosen)
    if request.link is not None:
        chosen = scenarios.over_link(chosen, request.link)
    selected = _selected(request, chosen)
    made = _experiment(request, chosen, selected)
    routes.require({cell.link for cell in chosen.cells})
    rounds = searched.Rounds(made.cells(), slo, bounds, made.seed)
    return _concluded(experiment.conduct(made, _display, rounds))


def _selected(request: Request, scenario: Scenario) -> tuple[Target, ...]:
    """Return what is measured: a foreign server alone or beside `--transports`, else those, else the scenario's."""
    strangers = foreign.selected(request.target_urls, request.adapters)
    targets.require_own_names([stranger.adapter.name for stranger in strangers])
    if strangers:
        foreign.require_measurable(scenario, strangers)
    if strangers and request.transports is None:
        return tuple(map(targets.of_foreign, strangers))
    names = request.transports.split(",") if request.transports is not None else scenario.transports or targets.names()
    return (*targets.select(names), *map(targets.of_foreign, strangers))


def _concluded(outcome: Outcome, thresholds: Sequence[Threshold] = ()) -> int:
    from loadtests.report.conclude import INTERRUPTED, conclude  # pandas and all: only once it has been measured

    if not outcome.interrupted:
        return conclude(outcome.folder, outcome.run, thresholds)
    try:
        conclude(outcome.folder, outcome.run, thresholds)
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
