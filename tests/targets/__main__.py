"""Measure the servers of this folder beside ours, in one run: `python -m tests.targets [OPTIONS OF rtlab run]`.

Every row has to be valid or doubtful, and to reach everybody. One that is invalid only since this machine was busy is
measured again. A missing program is said and skips all (exit code 0); with CI=true it fails.
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

OURS = ("websocket", "sse", "longpoll")
_ATTEMPTS = 3
_INVALID = 4  # exit code of a run with invalid cells


def main(options: list[str]) -> int:
    """Install, measure and judge; return the exit code."""
    try:
        made = folder()
    except Missing as error:
        return not_measured("targets:", error)
    os.environ["PATH"] += SBIN
    adapters = {path.stem: path for path in sorted((made / "adapters").glob("*.toml"))}
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--out")
    asked, options = parser.parse_known_args(options)
    late, complaints = {*OURS, *adapters}, list[str]()
    with tempfile.TemporaryDirectory(prefix="rtlab-targets-") as scratch:
        runs = asked.out or scratch
        for _ in range(_ATTEMPTS):
            ours = ",".join(name for name in OURS if name in late)
            chosen = [word for name in adapters if name in late for word in ("--adapter", str(adapters[name]))]
            chosen += ["--transports", ours] if ours else []
            command = [sys.executable, "-m", "loadtests.cli", "run", str(HERE / "targets.toml"), "--out", runs]
            code = subprocess.run([*command, *chosen, *options], check=False).returncode
            if code not in (0, _INVALID):
                return code
            complaints, late = judged(store.listed(Path(runs))[-1], late)
            if complaints or not late:
                break
            print(f"targets: invalid for this machine's sake: {', '.join(sorted(late))}", file=sys.stderr)
    complaints += [f"{name} is invalid each time" for name in sorted(late)]
    for complaint in complaints:
        print(f"targets: {complaint}", file=sys.stderr)
    return int(bool(complaints))


def judged(run: Path, rows: set[str]) -> tuple[list[str], set[str]]:
    """Return what is wrong with the run, and the rows that only the environment made invalid.

    Wrong are rows that are missing, invalid otherwise, or did not reach everybody, and any delivery that was lost.
    """
    found = study.study(run)
    complaints = [f"{name} is missing" for name in sorted(rows - {r.condition.transport for r in found.tabled})]
    late = set()
    for row in found.tabled:
        name = row.condition.transport
        cells = [cell for cell in found.run.cells if cell.transport == name]
        invalid = [cell for cell in cells if cell.verdict.validity is Validity.INVALID]
        if any(cell.counts is not None and cell.counts.lost for cell in cells):
            complaints.append(f"{name} lost a delivery")
        elif row.validity is Validity.INVALID and all(map(spoilt_by_environment, invalid)):
            late.add(name)
        elif row.validity is Validity.INVALID:
            complaints.append(f"{name} is invalid: {'; '.join(row.reasons)}")
        elif row.reach_percent != 100:
            complaints.append(f"{name} reached {row.reach_percent or 0:.3f} %")
    return complaints, late


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
