"""`rtlab replay`: take our figures for published ones, print both with the verdict, and write `replays.json`."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from loadtests.evidence.replays import deflate, figures, streams
from loadtests.records import replays
from loadtests.records.errors import BrowserError, Interrupted, LabError, LinkError, ScenarioError
from loadtests.records.replays import Replayed, Replays, Row
from loadtests.report import page
from loadtests.report import replays as shown
from loadtests.report.study import study
from loadtests.run import experiment, manifest, targets
from loadtests.run.experiment import Experiment
from loadtests.run.links import route as routes
from loadtests.run.replay import FILES, Replay
from loadtests.run.scenario import Scenario
from loadtests.run.servers import ServerSettings

ALL = "all"
OK, INTERRUPTED = 0, 130

_PROBES: Mapping[str, Callable[[], Mapping[str, float]]] = {"deflate": deflate.figures, "streams": streams.figures}


def replay(name: str, *, seed: int | None, runs_folder: Path) -> int:
    """Carry out one replay, or all of them; return the exit code. A verdict never changes it. Raises LabError."""
    names = list(FILES.named()) if name == ALL else [name]
    chosen = [_known(FILES.find(each)) for each in names]
    started_utc = datetime.now(UTC).isoformat(timespec="seconds")
    drawn = secrets.randbelow(2**32) if seed is None else seed
    done: list[Replayed] = []
    code = OK
    for number, each in enumerate(chosen, start=1):
        print(f"[{number}/{len(chosen)}] {each.name}: {each.about}", flush=True)
        try:
            done.append(carry_out(each, drawn, runs_folder))
        except (Interrupted, KeyboardInterrupt):
            print(f"rtlab: stopped by Ctrl-C in {each.name}; what was replayed before is kept", file=sys.stderr)
            code = INTERRUPTED
            break
        print(shown.render_text(done[-1]), end="\n\n", flush=True)
    if done:
        runs_folder.mkdir(parents=True, exist_ok=True)
        commit = manifest.short_commit(manifest.collect({}, drawn)["git"])
        path = runs_folder / replays.FILE
        replays.save(
            path, Replays(version=replays.VERSION, commit=commit, started_utc=started_utc, replays=tuple(done))
        )
        print(shown.sentence(done))
        print(f"written: {path}")
    return code


def _known(chosen: Replay) -> Replay:
    """Return the replay if every figure that it names can be taken; ScenarioError otherwise."""
    for row in chosen.rows:
        if chosen.scenario is not None and row.figure not in figures.NAMES:
            raise ScenarioError(
                f"{chosen.name}: a row has the figure {row.figure}; allowed: {', '.join(figures.NAMES)}"
            )
    return chosen


def carry_out(chosen: Replay, seed: int, runs_folder: Path) -> Replayed:
    """Take the figures of one replay; what is missing here is named. Raises Interrupted."""
    started = time.monotonic()
    ours: list[float | None] = [None] * len(chosen.rows)
    missing, run_id = chosen.missing, ""
    try:
        if chosen.scenario is not None:
            ours, run_id = _measured(chosen, chosen.scenario, seed, runs_folder)
        elif not missing:
            probed = _PROBES[chosen.probe]()
            ours = [probed.get(row.figure) for row in chosen.rows]
    except (BrowserError, LinkError) as error:
        missing = str(error)
    rows = tuple(
        Row(what=row.what, unit=row.unit, published=row.published, fixed_by=row.fixed_by, ours=value)
        for row, value in zip(chosen.rows, ours, strict=True)
    )
    return Replayed(
        name=chosen.name,
        about=chosen.about,
        source=chosen.source,
        url=chosen.url,
        date=chosen.date,
        reading=chosen.reading,
        rows=rows,
        missing=missing,
        run_id=run_id,
        elapsed_s=round(time.monotonic() - started, 1),
    )


def _measured(chosen: Replay, scenario: Scenario, seed: int, runs_folder: Path) -> tuple[list[float | None], str]:
    """Return our figures, row by row, and the run's id."""
    routes.require({cell.link for cell in scenario.cells})
    names = dict.fromkeys(transport for cell in scenario.cells for transport in cell.transports)
    made = Experiment(
        scenario=scenario,
        targets=targets.select(names),
        seed=seed,
        runs_folder=runs_folder,
        bench=experiment.bench_of(ServerSettings()),
    )
    outcome = experiment.conduct(made)
    if outcome.interrupted:
        raise Interrupted("stopped by Ctrl-C")
    worked_out = study(outcome.folder)
    try:
        page.write(outcome.folder, worked_out)
    except (OSError, LabError) as error:
        print(f"rtlab: the report could not be written into {outcome.folder}: {error}", file=sys.stderr)
    return [figures.ours(row, worked_out) for row in chosen.rows], outcome.run.run_id
