"""Measure the servers of this folder beside ours, in one run: `python -m tests.targets [OPTIONS OF rtlab run]`.

Every row has to be valid or doubtful, and to reach everybody. A missing program is said and skips all (exit code 0);
with CI=true it fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from loadtests.records import store
from loadtests.records.schema import Validity
from loadtests.report import study
from tests.targets.install import HERE, SBIN, Missing, folder

OURS = ("websocket", "sse", "longpoll")


def main(options: list[str]) -> int:
    """Install, measure and judge; return the exit code."""
    try:
        made = folder()
    except Missing as error:
        print(f"targets: NOT MEASURED: {error}", file=sys.stderr)
        return 1 if os.environ.get("CI", "").lower() == "true" else 0
    os.environ["PATH"] += SBIN
    adapters = sorted((made / "adapters").glob("*.toml"))
    with tempfile.TemporaryDirectory(prefix="rtlab-targets-") as runs:
        chosen = [word for path in adapters for word in ("--adapter", str(path))]
        out = [] if "--out" in options else ["--out", runs]
        command = [sys.executable, "-m", "loadtests.cli", "run", str(HERE / "targets.toml"), *out]
        done = subprocess.run([*command, "--transports", ",".join(OURS), *chosen, *options], check=False)
        measured = store.listed(Path(options[options.index("--out") + 1] if "--out" in options else runs))
        if not measured:
            return done.returncode or 1
        complaints = wrong(measured[-1], {*OURS, *(path.stem for path in adapters)})
    for complaint in complaints:
        print(f"targets: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def wrong(run: Path, rows: set[str]) -> list[str]:
    """Return what is wrong with the run: rows that are missing, invalid, or did not reach everybody."""
    found = study.study(run)
    complaints = [f"{name} is missing" for name in sorted(rows - {r.condition.transport for r in found.tabled})]
    for row in found.tabled:
        name = row.condition.transport
        if row.validity is Validity.INVALID:
            complaints.append(f"{name} is invalid: {'; '.join(row.reasons)}")
        if row.reach_percent != 100:
            complaints.append(f"{name} reached {row.reach_percent or 0:.3f} %")
    return complaints


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
