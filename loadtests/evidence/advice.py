"""Is advice right? `rtlab advise --check` measures three of its cases at that very load, and compares.

    python -m loadtests.evidence.advice RUN…     # writes the points of runs, which advice is made from, into one file

Exit codes of the check: 0 every figure is within its tolerance and its interval narrow enough, 4 one is not.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from loadtests.records import advised, store
from loadtests.records.advised import CPU_TOLERANCE, P50_TOLERANCE, Checked, Compared
from loadtests.records.cell_spec import CHAT, DOWNSTREAM, Load
from loadtests.records.errors import Interrupted, LabError, RunError
from loadtests.report import export
from loadtests.report.advise import cases, points
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.case import BOTH
from loadtests.report.advise.cases import Example
from loadtests.report.advise.costing import load_of
from loadtests.report.quantity import digits, span
from loadtests.report.study import Study, study
from loadtests.run import experiment, manifest, targets
from loadtests.run.experiment import Experiment
from loadtests.run.links import route as routes
from loadtests.run.scenario import CellPlan, Scenario, spelt_out
from loadtests.run.servers import ServerSettings

OK, OFF = 0, 4
BLOCKS = 8
MEASURED_S = 2.0


def check(found: Basis, runs_folder: Path) -> int:
    """Measure the cases that are to be checked, print and write how far advice was off; return the exit code."""
    rows = tuple(row for example in cases.load() if example.check for row in _checked(example, found, runs_folder))
    commit = manifest.short_commit(manifest.collect({}, 0)["git"])
    advised.write(runs_folder, Checked(found.run_id, commit, rows))
    print("\n".join(map(line, rows)))
    print(f"written: {runs_folder / advised.FILE}")
    return OK if all(row.holds for row in rows) else OFF


def scenario_of(example: Example) -> Scenario:
    """Return the scenario of one cell that measures a case at its very load."""
    case, _ = example.asked
    load = Load(
        name=f"advise-{example.name}",
        subscribers=case.subscribers,
        rooms=case.rooms,
        rate_per_s=case.rate_per_s,
        payload_bytes=case.payload_bytes,
        arrivals="poisson",
        direction=CHAT if case.direction == BOTH else DOWNSTREAM,
    )
    cell = CellPlan(load=load, link=case.link, transports=(example.check,))
    made = Scenario(name=f"advise-{example.name}", about=example.about, cells=(cell,), transports=(example.check,))
    return spelt_out(msgspec.structs.replace(made, blocks=BLOCKS, measured_s=MEASURED_S, warm_up_s=0.4))


def _checked(example: Example, found: Basis, runs_folder: Path) -> list[Compared]:
    scenario = scenario_of(example)
    routes.require({cell.link for cell in scenario.cells})
    made = Experiment(
        scenario=scenario,
        targets=targets.select([example.check]),
        seed=secrets.randbelow(2**32),
        runs_folder=runs_folder,
        bench=experiment.bench_of(ServerSettings()),
    )
    outcome = experiment.conduct(made)
    if outcome.interrupted:
        raise Interrupted("stopped by Ctrl-C")
    return list(compared(example, found, study(outcome.folder)))


def compared(example: Example, found: Basis, measured: Study) -> Iterator[Compared]:
    """Yield the figures of a case beside those that a run at its load measured. Raises LabError where it has none."""
    case, _ = example.asked
    costing, load = found.costings[example.check], load_of(case, case.rooms, case.members)
    busy, p50 = costing.busy_us(load), costing.latency_ms(load, 50.0)
    record = export.records(measured)[0]
    wanted = (
        ("p50", "ms", p50, "p50_ms", 1.0, P50_TOLERANCE),
        ("server CPU per delivery", "us", busy, "server_cpu_us", 1 / case.deliveries_per_s, CPU_TOLERANCE),
    )
    for figure, unit, advice, name, factor, tolerance in wanted:
        value, low, high = (record.get(each) for each in (name, f"{name}_low", f"{name}_high"))
        if advice is None or not all(isinstance(each, float) for each in (value, low, high)):
            raise LabError(f"{example.name}: {figure} was not measured, or nothing is advised of it")
        yield Compared(
            case=example.name,
            transport=example.check,
            figure=figure,
            unit=unit,
            advised=advice.value * factor,
            how=advice.how,
            measured=float(value),  # type: ignore[arg-type]
            low=float(low),  # type: ignore[arg-type]
            high=float(high),  # type: ignore[arg-type]
            tolerance=tolerance,
            run_id=measured.run.run_id,
        )


def line(row: Compared) -> str:
    """Return one comparison in words."""
    verdict = row.fault.upper() or "holds"
    return (
        f"{row.case:10} {row.transport:10} {row.figure:24} advised {digits(row.advised)} {row.unit} ({row.how}), "
        f"measured {digits(row.measured)} [{span(row.low, row.high)}] {row.unit}: off by {row.off:+.0%} (at most "
        f"{row.tolerance:.0%}), interval {row.width:.0%} of the figure: {verdict}"
    )


def collect(folders: Sequence[Path]) -> str:
    """Return the records of several runs as one document, each record with its run's id."""
    results = []
    for folder in folders:
        worked_out = study(folder)
        results += [{"run_id": worked_out.run.run_id, **record} for record in export.records(worked_out)]
    content = {"format": export.FORMAT, "version": export.VERSION, "results": results}
    return msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the points of runs of the scenario `advise` into one file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.advice", description=main.__doc__)
    parser.add_argument("run", nargs="+", type=Path, help="run folders")
    parser.add_argument(
        "--out", type=Path, default=Path("results/reference") / points.FILE, help="default: %(default)s"
    )
    options = parser.parse_args(arguments)
    try:
        store.write_atomically(options.out, collect(options.run).encode())
    except (LabError, RunError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"written: {options.out}")
    return OK


if __name__ == "__main__":
    raise SystemExit(main())
