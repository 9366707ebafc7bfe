"""A calibration in words, for the terminal, the page and notebooks; and those that lie beside a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from loadtests.records.calibration import Calibration, Check, Comparison, Omission, SelfTest, load
from loadtests.records.schema import Run
from loadtests.report.claims import in_prose
from loadtests.report.quantity import UNKNOWN, listed

_COLUMNS = "{:11} {:22} {:13} {:>12} {:>12} {:>11} {:>11}  {}"
HEADINGS = _COLUMNS.format("transport", "planted", "figure", "planted", "found", "error", "at most", "verdict").rstrip()
OUTSIDE = "OFF"

T = TypeVar("T")


def beside(run_dir: Path) -> tuple[Calibration, ...]:
    """Read every `*calibration*.json` of a folder, by name; none is no error. Raises `RunError` for what is no such."""
    return tuple(load(path) for path in sorted(run_dir.glob("*calibration*.json")))


def latest(found: Sequence[Calibration], part: Callable[[Calibration], T | None]) -> T | None:
    """Return one part of the latest calibration that has it, such as its A/A self-test; None where none has it."""
    return next((shown for each in reversed(found) if (shown := part(each)) is not None), None)


def not_calibrated(run: Run) -> list[str]:
    """Return the transports that a run measured and its calibration left out: no fault server speaks them."""
    checked = {check.transport for check in run.calibration}
    return list(dict.fromkeys(in_prose(cell.transport) for cell in run.cells if cell.transport not in checked))


def row(check: Check) -> str:
    """Return one check as a line of the table under `HEADINGS`."""
    error = UNKNOWN if check.error is None else f"{check.error:+.{_decimals(check)}f}"
    return _COLUMNS.format(
        check.transport,
        check.fault,
        check.figure,
        _figure(check, check.planted),
        "nothing" if check.found is None else _figure(check, check.found),
        error,
        _figure(check, check.bound),
        "ok" if check.within else OUTSIDE,
    )


def summary(calibration: Calibration) -> Iterator[str]:
    """Yield what a calibration says in all, a line for each part that was done."""
    outside = [check for check in calibration.checks if not check.within]
    if calibration.checks:
        share = f"{len(calibration.checks) - len(outside)} of {len(calibration.checks)}"
        yield f"{share} planted truths found within what is stated, in {calibration.elapsed_s:.0f} s"
    if outside:
        yield "this machine can't measure these as stated, or it was not left alone: close other programs, try again"
    if calibration.left_out:
        yield f"not calibrated, for want of a fault server that speaks it: {', '.join(calibration.left_out)}"
    if calibration.omission is not None:
        yield omitted(calibration.omission)
    if calibration.weakened is not None:
        weakened = calibration.weakened
        word = "refused" if weakened.refused else "BELIEVED"
        reasons = "; ".join(weakened.reasons) or "no reason"
        yield f"a generator with {weakened.means}: {word}, its cell is {weakened.validity} ({reasons})"
    if calibration.self_test is not None:
        yield from repeated(calibration.self_test)


def passed(checks: Sequence[Check]) -> bool:
    """Return whether everything planted was found within what is stated."""
    return all(check.within for check in checks)


def verdict(checks: Sequence[Check]) -> str:
    """Say in a sentence what a run's short calibration found."""
    transports = listed([in_prose(transport) for transport in dict.fromkeys(check.transport for check in checks)])
    outside = [
        f"{check.fault} ({check.figure}) over {in_prose(check.transport)}" for check in checks if not check.within
    ]
    if not outside:
        return f"Yes: all {len(checks)} planted truths, over {transports}, within what is stated."
    return f"Not all of it: {len(outside)} of {len(checks)} outside of what is stated: {listed(outside)}."


def omitted(found: Omission) -> str:
    """Say what a closed loop leaves out."""
    loop, schedule = found.closed_loop, found.from_schedule
    return (
        f"a {found.stall_s:g} s stall in {found.measured_s:.0f} s over {found.transport}: p99 {_ms(schedule.p99_ms)} "
        f"of {schedule.messages} messages from the schedule, {_ms(loop.p99_ms)} of {loop.messages} by a closed loop"
    )


def repeated(found: SelfTest) -> Iterator[str]:
    """Say how often a transport was called different from itself, and how two others compare."""
    for repeat in found.repeats:
        yield compared(repeat)
    left_out = f" ({found.left_out} more could not be compared)" if found.left_out else ""
    verdict = "no more than chance" if found.passed else "MORE THAN CHANCE"
    yield (
        f"{found.transport} against itself: different in {found.different} of {len(found.repeats)} repeats{left_out}, "
        f"at most {found.allowed} allowed: {verdict}"
    )
    for other in found.between:
        yield compared(other)


def compared(found: Comparison) -> str:
    """Say a difference with its interval, and what such a run could have seen."""
    word = "indistinguishable" if found.indistinguishable else "different"
    return (
        f"{found.name}: {word}, {found.difference_ms:+.3f} ms [{found.low_ms:+.3f} to {found.high_ms:+.3f}], "
        f"would have shown {found.smallest_detectable_ms:.3f} ms"
    )


def _ms(value: float | None) -> str:
    return "not stated" if value is None else f"{value:.3g} ms"


def _figure(check: Check, value: float) -> str:
    return f"{value:,.{_decimals(check)}f}{' ' + check.unit if check.unit else ''}"


def _decimals(check: Check) -> int:
    return 3 if check.unit else 0
