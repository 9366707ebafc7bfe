"""Measure the servers of this folder beside ours, in one run: `python -m tests.targets [OPTIONS OF rtlab run]`.

Every row has to be valid or doubtful, and to reach everybody. One that is invalid only since this machine was busy, or
whose server did not start, is measured again. A missing program is said and skips all (exit code 0); with CI=true it
fails. `--own-client` measures theirs by another client too, and no table of all: see `own_client`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from loadtests.records import store
from loadtests.records.schema import Validity
from loadtests.report import study
from loadtests.run.plan import spoilt_by_environment
from tests.targets.install import HERE, SBIN, Missing, folder, not_measured
from tests.targets.own_client import compare

OURS = ("websocket", "sse", "longpoll")
_ATTEMPTS = 5  # an attempt measures only what the machine has spoilt before
_INVALID = 4  # exit code of a run with invalid cells


def main(options: list[str]) -> int:
    """Install, measure and judge; return the exit code."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--out")
    parser.add_argument("--own-client", action="store_true")
    asked, options = parser.parse_known_args(options)
    if asked.own_client:
        if options or asked.out:
            parser.error("--own-client takes no other option")
        return compare.main()
    try:
        made = folder()
    except Missing as error:
        return not_measured("targets:", error)
    os.environ["PATH"] += SBIN
    adapters = {path.stem: path for path in sorted((made / "adapters").glob("*.toml"))}
    with tempfile.TemporaryDirectory(prefix="rtlab-targets-") as scratch:
        complaints, code = measured(adapters, Path(asked.out or scratch), options)
    for complaint in complaints:
        print(f"targets: {complaint}", file=sys.stderr)
    return code or int(bool(complaints))


def measured(adapters: dict[str, Path], runs: Path, options: list[str]) -> tuple[list[str], int]:
    """Measure all rows in one run, and those that may be right next time again.

    Return what is wrong, and the exit code of a run that was refused or ended early.
    """
    late, complaints = dict.fromkeys((*OURS, *adapters), ""), list[str]()
    for _ in range(_ATTEMPTS):
        ours = ",".join(name for name in OURS if name in late)
        chosen = [word for name in adapters if name in late for word in ("--adapter", str(adapters[name]))]
        chosen += ["--transports", ours] if ours else []
        command = [sys.executable, "-m", "loadtests.cli", "run", str(HERE / "targets.toml"), "--out", str(runs)]
        code = subprocess.run([*command, *chosen, *options], check=False).returncode
        if code not in (0, _INVALID):
            return [f"the run of {', '.join(late)} ended with exit code {code}"], code
        complaints, late = judged(store.listed(runs)[-1], set(late))
        if complaints or not late:
            break
        for name, reasons in late.items():
            print(f"targets: {name} is invalid, perhaps for this machine's sake: {reasons}", file=sys.stderr)
    return complaints + [f"{name} is invalid each time: {reasons}" for name, reasons in sorted(late.items())], 0


def judged(run: Path, rows: set[str]) -> tuple[list[str], dict[str, str]]:
    """Return what is wrong with the run, and the reasons against rows that may be right the next time.

    Those are rows whose server or generator failed, or that only the environment made invalid. Wrong are rows that are
    missing, invalid otherwise, or did not reach everybody, and any delivery that was lost.
    """
    found = study.study(run)
    complaints = [f"{name} is missing" for name in sorted(rows - {r.condition.transport for r in found.tabled})]
    late = dict[str, str]()
    for row in found.tabled:
        name, reasons = row.condition.transport, "; ".join(row.reasons)
        cells = [cell for cell in found.run.cells if cell.transport == name]
        invalid = [cell for cell in cells if cell.verdict.validity is Validity.INVALID]
        if any(cell.counts is not None and cell.counts.lost for cell in cells):
            complaints.append(f"{name} lost a delivery")
        elif row.validity is Validity.INVALID and all(cell.failed or spoilt_by_environment(cell) for cell in invalid):
            late[name] = reasons
        elif row.validity is Validity.INVALID:
            complaints.append(f"{name} is invalid: {reasons}")
        elif row.reach_percent != 100:
            complaints.append(f"{name} reached {row.reach_percent or 0:.3f} %")
    return complaints, late


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
