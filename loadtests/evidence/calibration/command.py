"""`rtlab calibrate`: plant, measure, compare, print, and leave a JSON beside the runs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from loadtests.evidence.calibration import gates, selftest, suite
from loadtests.records import store
from loadtests.records.calibration import CALIBRATION_VERSION, Calibration, Check
from loadtests.records.errors import UsageError
from loadtests.report import calibration as words
from loadtests.report import gates as gate_words
from loadtests.run import manifest, targets
from loadtests.run.process import available_cores, divide_cores, running_on
from loadtests.run.targets import Target

OK, BELIEVED, CANNOT = 0, 1, 4
MAX_REPEATS = 1000


def calibrate(transports: str | None, runs_folder: Path, *, quick: bool) -> int:
    """Plant every fault for every transport (`quick`: those of the short form); return the exit code."""
    chosen = targets.select(targets.names() if transports is None else transports.split(","))
    if not suite.spoken(chosen):
        raise UsageError(f"nothing can be planted for {', '.join(target.name for target in chosen)}")
    begun, started = _begin("short" if quick else "full"), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, running_on(divide_cores(available_cores()).generator):
        made = _short(begun, chosen, Path(scratch)) if quick else _full(begun, chosen, Path(scratch))
    return _concluded(made, started, runs_folder)


def repeat_itself(repeats: int, seed: int, runs_folder: Path) -> int:
    """Carry out the A/A self-test and print it; return the exit code. LabError as `selftest.measure`."""
    if not 1 <= repeats <= MAX_REPEATS:
        raise UsageError(f"--aa {repeats}: 1 to {MAX_REPEATS} repeats are allowed")
    begun, started = _begin("part"), time.monotonic()
    found, folder = selftest.measure(repeats, seed, runs_folder)
    print(f"rows: {folder}")
    return _concluded(msgspec.structs.replace(begun, self_test=found), started, runs_folder)


def weaken(percent: int, runs_folder: Path) -> int:
    """Measure with a generator held back; 4 as for any run with an invalid cell, 1 if the lab believed it."""
    if not 1 <= percent <= 100:
        raise UsageError(f"--weak-generator {percent}: 1 to 100 per cent of a core are allowed")
    begun, started = _begin("part"), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        found = selftest.measure_weak(Path(scratch), percent)
    _concluded(msgspec.structs.replace(begun, weakened=found), started, runs_folder)
    return CANNOT if found.refused else BELIEVED


def study_gates(folder: Path | None, transports: str | None, seed: int, runs_folder: Path) -> int:
    """Carry out the study of the gates, or what is left of the one in `folder`; return the exit code.

    Stopped by Ctrl-C, it says how to go on. 4 where the machine was too busy to decide on every gate.
    """
    names = gates.TRANSPORTS if transports is None else tuple(target.name for target in _planted_for(transports))
    begun, started = _begin("gates"), time.monotonic()
    where = folder or runs_folder / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-gates"
    design = gates.begun(where, gates.Design(transports=names, seed=seed, commit=begun.commit))
    try:
        with running_on(divide_cores(available_cores()).generator):
            gates.measure(where, design, lambda doing: print(f"… {doing}", flush=True))
    except KeyboardInterrupt:
        print(f"what is measured is kept; go on with: rtlab calibrate --gates {where}")
        raise
    found = gates.analysed(where, design)
    for line in gate_words.table(found):
        print(line)
    _concluded(msgspec.structs.replace(begun, gates=found), started, runs_folder)
    return OK if gate_words.decided(found) else CANNOT


def _planted_for(transports: str) -> tuple[Target, ...]:
    chosen = targets.select(transports.split(","))
    if left_out := _left_out(chosen):
        raise UsageError(f"nothing can be planted for {', '.join(left_out)}")
    return tuple(chosen)


def _short(begun: Calibration, chosen: Sequence[Target], scratch: Path) -> Calibration:
    checks = _printed(suite.short(chosen, scratch))
    return msgspec.structs.replace(begun, checks=checks, left_out=_left_out(chosen))


def _full(begun: Calibration, chosen: Sequence[Target], scratch: Path) -> Calibration:
    checks = _printed(suite.full(chosen, scratch, lambda doing: print(f"… {doing}", flush=True)))
    print("… coordinated omission", flush=True)
    omitted = selftest.show_omission(scratch / "omission")
    weakened = selftest.measure_weak(scratch / "weak")
    return msgspec.structs.replace(
        begun, checks=checks, left_out=_left_out(chosen), omission=omitted, weakened=weakened
    )


def _printed(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Print each check as it comes."""
    kept = []
    print(words.HEADINGS)
    for check in checks:
        print(words.row(check), flush=True)
        kept.append(check)
    return tuple(kept)


def _begin(form: str) -> Calibration:
    environment = manifest.collect({}, seed=0)
    commit = environment["git"]["commit"]
    return Calibration(
        calibration_version=CALIBRATION_VERSION,
        form=form,
        started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        elapsed_s=0.0,
        commit=str(commit) if commit else None,
        host=environment["host"],
    )


def _concluded(made: Calibration, started: float, runs_folder: Path) -> int:
    """Write the calibration, print what it says in all, and return the exit code."""
    whole = msgspec.structs.replace(made, elapsed_s=round(time.monotonic() - started, 1))
    runs_folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = runs_folder / f"{stamp}-calibration-{(whole.commit or 'nogit')[:7]}.json"
    store.write_atomically(path, msgspec.json.format(msgspec.json.encode(whole), indent=1))
    for line in words.summary(whole):
        print(line)
    print(f"calibration: {path}")
    return OK if whole.passed else CANNOT


def _left_out(chosen: Sequence[Target]) -> tuple[str, ...]:
    spoken = suite.spoken(chosen)
    return tuple(target.name for target in chosen if target not in spoken)
