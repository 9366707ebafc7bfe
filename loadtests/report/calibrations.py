"""The calibrations that lie beside a run, as data frames: several of one kind side by side, run by run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from loadtests.records import calibration
from loadtests.records.calibration import Calibration, Comparison, Omission, SelfTest, Weakened
from loadtests.records.store import RUN_FILE
from loadtests.report import budget
from loadtests.report.claims import title
from loadtests.report.study import Study

_BUDGET_FOLDER = "budget"


def beside(run_dir: Path) -> tuple[Calibration, ...]:
    """Read every `*calibration*.json` of a folder, by name; none is no error. Raises `RunError` for what is no such."""
    return tuple(calibration.load(path) for path in sorted(run_dir.glob("*calibration*.json")))


def stamped_run(run_dir: Path) -> Path:
    """Return the run that tells where the time goes: the one in the folder `budget` of a run, else the run itself."""
    inside = run_dir / _BUDGET_FOLDER
    return inside if (inside / RUN_FILE).is_file() else run_dir


def checks(found: Sequence[Calibration]) -> pd.DataFrame:
    """Planted and found: index (transport, planted, figure); planted, what each calibration found, the bound, verdict.

    `within` counts the calibrations that found it within the bound, of those that looked for it.
    """
    rows: dict[tuple[str, str, str], dict[str, object]] = {}
    within: dict[tuple[str, str, str], list[bool]] = {}
    for number, each in enumerate((c for c in found if c.checks), start=1):
        for check in each.checks:
            key = title(check.transport), check.fault, f"{check.figure}, {check.unit}" if check.unit else check.figure
            row = rows.setdefault(key, {"truth": check.planted, "at most off by": check.bound})
            row[f"found {number}"] = check.found
            within.setdefault(key, []).append(check.within)
    if not rows:
        return pd.DataFrame()
    names = ["transport", "planted", "figure"]
    frame = pd.DataFrame(rows.values(), index=pd.MultiIndex.from_tuples(rows, names=names))
    frame["at most off by"] = frame.pop("at most off by")  # to the end
    frame["within"] = [f"{sum(each)} of {len(each)}" for each in within.values()]
    return frame


def comparisons(found: Sequence[Comparison]) -> pd.DataFrame:
    """Differences of medians in ms: index name; difference, its 95 % interval, what would have shown, in words."""
    rows = [
        {
            "compared": each.name,
            "difference": each.difference_ms,
            "low": each.low_ms,
            "high": each.high_ms,
            "would have shown": each.smallest_detectable_ms,
            "in words": "indistinguishable" if each.indistinguishable else "different",
        }
        for each in found
    ]
    return pd.DataFrame(rows).set_index("compared") if rows else pd.DataFrame()


def budgets(study: Study) -> pd.DataFrame:
    """Mean steps in ms of the deliveries around each percentile: index (transport, percentile); latency, then steps."""
    rows = [
        {
            "transport": title(each.result.condition.transport),
            "percentile": f"p{part.percent:g}",
            "latency": part.latency_ms,
            **part.step_ms,
        }
        for each in study.budgets
        for part in each.slices
    ]
    return pd.DataFrame(rows).set_index(["transport", "percentile"]) if rows else pd.DataFrame()


def steps() -> str:
    """Say from when to when each step is: a list in Markdown."""
    return "\n".join(f"- *{step.name}*: {step.words}" for step in budget.STEPS)


def self_test(found: Sequence[Calibration]) -> SelfTest | None:
    """The latest A/A self-test, if there is one."""
    return next((each.self_test for each in reversed(found) if each.self_test is not None), None)


def omission(found: Sequence[Calibration]) -> Omission | None:
    """The latest showing of coordinated omission, if there is one."""
    return next((each.omission for each in reversed(found) if each.omission is not None), None)


def weakened(found: Sequence[Calibration]) -> Weakened | None:
    """The latest cell with a weak generator, if there is one."""
    return next((each.weakened for each in reversed(found) if each.weakened is not None), None)
