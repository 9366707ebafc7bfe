"""The lab's answer to a generator that can't keep up: the cell must be refused, not reported as a slow transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from loadtests.evidence.calibration.throttle import SAID
from loadtests.records import repeats
from loadtests.records.calibration import Weakened
from loadtests.records.cell_spec import Load
from loadtests.records.errors import LabError
from loadtests.run import experiment, targets
from loadtests.run.experiment import Experiment
from loadtests.run.plan import PlannedCell
from loadtests.run.progress import Display
from loadtests.run.scenario import CellPlan, Scenario
from loadtests.run.servers import ServerSettings

TRANSPORT = "websocket"
PERCENT = 2
"""Of a core: about half of what the load below takes by itself."""

_LOAD = Load(name="10x40", subscribers=10, rate_per_s=40.0)
_GRACE_S = 3.0  # what could not be read in time is read by then: late, not lost


def measure(runs_folder: Path, show: Callable[[Sequence[PlannedCell]], Display], percent: int = PERCENT) -> Weakened:
    """Measure one cell as `rtlab run` would, once, with a generator that is held back.

    LabError where it can't be held back here, or when interrupted.
    """
    scenario = Scenario(
        name="weak-generator",
        about="a generator too weak",
        cells=(CellPlan(load=_LOAD),),
        blocks=1,
        warm_up_s=0.2,
        measured_s=2.0,
        grace_s=_GRACE_S,
    )
    bench = replace(
        experiment.bench_of(ServerSettings()),
        generator_module=("loadtests.evidence.calibration.weakened", str(percent)),
    )
    made = Experiment(scenario, targets.select([TRANSPORT]), seed=1, runs_folder=runs_folder, bench=bench, passes=0)
    outcome = experiment.conduct(made, show)
    if outcome.interrupted:
        raise LabError("stopped before the weak generator had been measured")
    means = {_means(log.read_text(encoding="utf-8")) for log in outcome.folder.glob("generator-*.log")}
    if "" in means:
        raise LabError("this system has no way to hold a generator back")
    refused = repeats.unreplaced(outcome.run.cells)
    cell = refused[0] if refused else outcome.run.cells[-1]
    return Weakened(means=", ".join(sorted(means)), validity=cell.verdict.validity, reasons=cell.verdict.reasons)


def _means(log: str) -> str:
    """Return how the generator was held back, by its own word; empty if it was not."""
    return next((line.removeprefix(SAID) for line in log.splitlines() if line.startswith(SAID)), "")
