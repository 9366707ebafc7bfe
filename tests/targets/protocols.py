"""Hold the lab's adapters against the servers they are written for: `python -m tests.targets.protocols`.

Each is probed, and then used in one short run: every message has to come, once, whatever this machine was busy with.
Without Pushpin (Debian's package) its adapter is left out, and that is said; with CI=true it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from loadtests.records import store
from loadtests.records.schema import Run
from tests.targets.install import HERE, SBIN, Missing, folder, not_measured

PROTOCOLS = HERE / "protocols"
_TRIES = 2
_LAB = (sys.executable, "-m", "loadtests.cli")


def main() -> int:
    """Probe and measure; return the exit code."""
    try:
        made = folder() / PROTOCOLS.name
    except Missing as error:
        return not_measured("protocols:", error)
    os.environ["PATH"] += SBIN
    shutil.copytree(PROTOCOLS, made, dirs_exist_ok=True)
    files = sorted(made.glob("*.toml"))
    code, complaints = 0, list[str]()
    if shutil.which("pushpin") is None:
        files = [path for path in files if path.stem != "pushpin-sse"]
        code = not_measured("protocols: pushpin-sse", "pushpin is not installed")
    complaints += filter(None, map(_probed, files))
    complaints += _measured(files)
    for complaint in complaints:
        print(f"protocols: {complaint}", file=sys.stderr)
    return 1 if complaints else code


def _probed(path: Path) -> str:
    """Return what is wrong with an adapter; one that is not understood is tried twice, since its server may be slow."""
    said = ""
    for _ in range(_TRIES):
        done = subprocess.run([*_LAB, "probe", str(path)], capture_output=True, text=True, check=False)
        if not done.returncode:
            return ""
        said = f"{path.stem} is not understood:\n{done.stdout}{done.stderr}"
    return said


def _measured(files: list[Path]) -> list[str]:
    """Measure all in one run, and those whose server or generator failed once more; return what is wrong."""
    left, complaints, why = {path.stem: path for path in files}, list[str](), list[str]()
    with tempfile.TemporaryDirectory(prefix="rtlab-protocols-") as runs:
        for _ in range(_TRIES):
            chosen = [word for path in left.values() for word in ("--adapter", str(path))]
            command = [*_LAB, "run", str(HERE / "protocols.toml"), "--out", runs, *chosen]
            code, measured = subprocess.run(command, check=False).returncode, store.listed(Path(runs))
            if not measured:
                return [f"rtlab run left no run, exit code {code}"]
            run = store.load(measured[-1])
            cells = {failed: tuple(c for c in run.cells if bool(c.failed) is failed) for failed in (True, False)}
            names = {cell.transport for cell in cells[True]}
            complaints += wrong(msgspec.structs.replace(run, cells=cells[False]), set(left) - names)
            why = wrong(msgspec.structs.replace(run, cells=cells[True]), names)
            left = {name: path for name, path in left.items() if name in names}
            if not left:
                break
    return complaints + why


def wrong(run: Run, names: set[str]) -> list[str]:
    """Return what is wrong with the deliveries of the run, whether or not its latencies can be believed."""
    complaints = [f"{name} is missing" for name in sorted(names - {cell.transport for cell in run.cells})]
    for cell in run.cells:
        counts = cell.counts
        if counts is None or not counts.expected:
            complaints.append(f"{cell.id}: {'; '.join(cell.verdict.reasons)}")
            continue
        bad = counts.refused, counts.lost, counts.duplicates, counts.out_of_order, counts.expected - counts.received
        if any(bad):
            complaints.append(f"{cell.id}: {bad} refused, lost, twice, out of order, not received")
    return complaints


if __name__ == "__main__":
    sys.exit(main())
