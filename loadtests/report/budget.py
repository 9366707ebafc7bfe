"""Where a message's time goes: each step of its way, from stamps of the server beside those of the generator.

All stamps are of one host's CLOCK_MONOTONIC. A bar stands for the deliveries around one percentile of the latency, the
tenth of them around the median or the hundredth around p99: the means of their steps add up to their mean latency,
which percentiles of steps would not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from loadtests.records.schema import ABSENT_NS, Validity
from loadtests.records.store import RUN_FILE
from loadtests.report import latency
from loadtests.report.claims import in_prose
from loadtests.report.condition import Result
from loadtests.report.latency import FloatArray, IntArray
from loadtests.report.quantity import digits, listed

READ = "read"

STEPS: Mapping[str, str] = {
    "publisher": "due, until sent",
    "to the server": "sent, until the server has the valid message",
    "append": "accepted, until it has its offset; with Redis: until the first word back from it",
    "Redis": "that word, until the server that fans out has the event",
    "wait for the write": "there, until the first write to a socket that waits for it",
    "its turn": "first write, until the receiving kernel has it: the receivers before it, the link, the next poll",
    READ: "received, until Python has read it; no part of the latency",
}
"""Each step of the way, in order: from when to when."""

BANDS: tuple[tuple[float, float], ...] = ((50.0, 5.0), (99.0, 0.5))
"""Percentile, and how many per cent of the deliveries on either side of it stand for it."""

_INSTANTS = (
    "scheduled_ns", "sent_ns", "accepted_ns", "appended_ns", "heard_ns", "writing_ns", "received_ns", "user_rx_ns",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slice:
    """The deliveries around one percentile."""

    percent: float
    deliveries: int
    latency_ms: float  # their mean; the steps but the last add up to it
    step_ms: Mapping[str, float]  # by name of STEPS, in order


@dataclass(frozen=True, slots=True)
class Budget:
    """The way of one condition's messages."""

    result: Result
    slices: tuple[Slice, ...]
    unstamped: int  # deliveries whose event the servers did not stamp


def stamped_run(run_dir: Path) -> Path:
    """Return the run that shows where the time goes: the one in the folder `budget` of a run, else the run itself."""
    inside = run_dir / "budget"
    return inside if (inside / RUN_FILE).is_file() else run_dir


def budgets(results: Sequence[Result], samples: Mapping[str, pd.DataFrame], stamps: pd.DataFrame) -> tuple[Budget, ...]:
    """Work out each condition whose cells have stamps, in the order given.

    `samples`: measured rows by cell id, with the columns of `latency.SAMPLE_COLUMNS`; `stamps`: those of
    `schema.STAMPS`, all cells.
    """
    by_cell = {str(cell): frame for cell, frame in stamps.groupby("cell", observed=True)}
    found = []
    for result in results:
        frames = [
            samples[cell.id].merge(by_cell[cell.id].drop(columns="cell"), on=["room", "offset"], how="left")
            for cell in result.used
            if cell.id in by_cell and cell.id in samples
        ]
        if frames and (made := _budget(result, pd.concat(frames, ignore_index=True))):
            found.append(made)
    return tuple(found)


def sentence(found: Sequence[Budget]) -> str:
    """Say which step takes the most of a median delivery, for each transport; empty without any budget."""
    parts = []
    for each in found:
        if each.result.validity is not Validity.INVALID:
            median = each.slices[0]
            ways = {name: ms for name, ms in median.step_ms.items() if name != READ}
            longest = max(ways, key=ways.__getitem__)
            name = in_prose(each.result.condition.transport)
            parts.append(f"{longest} over {name} ({digits(ways[longest])} of {digits(median.latency_ms)} ms)")
    return f"The longest step of a median delivery: {listed(parts)}." if parts else ""


def steps() -> str:
    """Say from when to when each step is: a list in Markdown."""
    return "\n".join(f"- *{name}*: {words}" for name, words in STEPS.items())


def _budget(result: Result, rows: pd.DataFrame) -> Budget | None:
    stamped = rows["accepted_ns"].fillna(ABSENT_NS).to_numpy() != ABSENT_NS
    kept = rows[stamped]
    if kept.empty:
        return None
    step_ms = np.diff(_instants(kept), axis=1) / 1e6
    latency_ms = step_ms[:, :-1].sum(axis=1)
    slices = tuple(
        _slice(step_ms, latency_ms, percent, around)
        for percent, around in BANDS
        if latency.can_state(len(latency_ms), percent)
    )
    return Budget(result, slices, int((~stamped).sum())) if slices else None


def _instants(rows: pd.DataFrame) -> IntArray:
    """Return the instants of each delivery, ascending; shape (deliveries, len(STEPS) + 1).

    An event that no socket waited for was written to none before it was asked for: its turn begins when the server that
    fans out had it.
    Where two stamps are nearer to each other than they are true, the earlier one gives way.
    """
    columns = rows.assign(received_ns=latency.received_ns(rows))
    columns["writing_ns"] = columns["writing_ns"].where(columns["writing_ns"] != ABSENT_NS, columns["heard_ns"])
    instants = columns[list(_INSTANTS)].to_numpy(dtype=np.float64)
    return np.asarray(np.minimum.accumulate(instants[:, ::-1], axis=1)[:, ::-1], dtype=np.int64)


def _slice(step_ms: FloatArray, latency_ms: FloatArray, percent: float, around: float) -> Slice:
    low, high = np.percentile(latency_ms, [percent - around, percent + around])
    inside = (latency_ms >= low) & (latency_ms <= high)
    means = step_ms[inside].mean(axis=0)
    return Slice(
        percent=percent,
        deliveries=int(inside.sum()),
        latency_ms=float(latency_ms[inside].mean()),
        step_ms={name: float(mean) for name, mean in zip(STEPS, means, strict=True)},
    )
