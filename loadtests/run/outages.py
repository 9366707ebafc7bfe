"""What planned cuts did to a cell: which deliveries they cost, which were replayed, and how late. Pure.

A delivery was replayed if it was due before its subscriber was welcome again and arrived after its cable was back.
Without a resume the events between the last one that a subscriber had and the one after which its new connection begins
are lost by plan. Everything else that is missing is the server's doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from loadtests.records.cell_spec import GeneratorResult, Load
from loadtests.records.disruption import Cuts, Disruption
from loadtests.records.schema import ABSENT_NS, Counts
from loadtests.run.counts import measured

Integers = npt.NDArray[np.int64]
Columns = Mapping[str, Integers]

PERCENTS = (50, 95, 99)
_LEAST_BEYOND = 10  # a percentile with fewer samples beyond it is not stated
_NEVER_NS = np.iinfo(np.int64).max


def replayed(samples: pa.Table, outages: pa.Table) -> npt.NDArray[np.bool_]:
    """Return which rows of `samples` (`SAMPLES`) came after an outage and were due before its end."""
    found = _columns(samples)
    received_ns = np.where(found["kernel_rx_ns"] == ABSENT_NS, found["user_rx_ns"], found["kernel_rx_ns"])
    late = np.zeros(samples.num_rows, dtype=np.bool_)
    by_subscriber = np.argsort(found["subscriber"], kind="stable")
    ascending = found["subscriber"][by_subscriber]
    for cut in _each(outages):
        first, last = np.searchsorted(ascending, [cut["subscriber"], cut["subscriber"] + 1])
        rows = by_subscriber[first:last]
        due = (found["scheduled_ns"][rows] < cut["back_ns"]) & (found["scheduled_ns"][rows] != ABSENT_NS)
        late[rows[due & (received_ns[rows] >= cut["on_ns"])]] = True
    return late


def lost_to_cuts(samples: pa.Table, publishes: pa.Table, outages: pa.Table, load: Load, *, resume: bool) -> int:
    """Count the deliveries owed that were published while their subscriber was away, and never came.

    With a resume nothing is lost by plan: a server that lets a subscriber join after where it left has lost the rest.
    """
    if resume:
        return 0
    sent, received = _columns(measured(publishes)), _columns(measured(samples))
    accepted = sent["accepted_ns"] != ABSENT_NS
    stride = int(max(received["offset"].max(initial=0), sent["offset"].max(initial=0))) + 1
    came = received["subscriber"] * stride + received["offset"]
    owed: list[Integers] = [np.empty(0, dtype=np.int64)]
    for cut in _each(outages):
        offsets = sent["offset"][accepted & (sent["room"] == cut["subscriber"] % load.rooms)]
        away = (offsets > cut["left_offset"]) & (offsets <= cut["joined_offset"])
        owed.append(cut["subscriber"] * stride + offsets[away])
    return int((~np.isin(np.unique(np.concatenate(owed)), came)).sum())


def figures(
    samples: pa.Table,
    outages: pa.Table,
    counts: Counts,
    result: GeneratorResult,
    disrupt: Disruption,
    *,
    resume: bool,
) -> Cuts:
    """Return what the cuts of a cell did in the measured phase."""
    delivered = measured(samples)
    rows = _columns(delivered)
    received_ns = np.where(rows["kernel_rx_ns"] == ABSENT_NS, rows["user_rx_ns"], rows["kernel_rx_ns"])
    latency_ms = (received_ns - rows["scheduled_ns"]) / 1e6
    # Without a resume, what was due in the milliseconds of connecting may still come; nobody replayed it.
    late = replayed(delivered, outages) & resume
    cuts = _columns(outages)
    back = cuts["back_ns"] != ABSENT_NS
    until_ns = np.where(back, cuts["back_ns"], _NEVER_NS)
    touching = (until_ns > result.measured_from_ns) & (cuts["off_ns"] < result.measured_to_ns)
    return Cuts(
        disrupt=disrupt,
        resume=resume,
        cuts=int(touching.sum()),
        away=int((touching & ~back).sum()),
        due=counts.expected,
        lost=counts.lost_to_cuts,
        replayed=int(late.sum()),
        replay_bytes=int(rows["wire_bytes"][late].sum()),
        latency_ms=_percentiles(latency_ms[rows["scheduled_ns"] != ABSENT_NS]),
        replay_ms=_percentiles(latency_ms[late]),
        back_ms=_percentiles((cuts["back_ns"] - cuts["on_ns"])[touching & back] / 1e6),
    )


def _each(outages: pa.Table) -> Iterator[dict[str, int]]:
    """Yield the outages of subscribers that came back; of the others nothing is known but that they left."""
    for row in outages.drop_columns(["cell"]).to_pylist():
        if row["back_ns"] != ABSENT_NS:
            yield row


def _columns(table: pa.Table) -> Columns:
    return {name: np.asarray(table[name].to_numpy(), dtype=np.int64) for name in table.column_names if name != "cell"}


def _percentiles(values: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return those percentiles, by order statistics, that have enough samples beyond them; the median of any."""
    ascending, found = np.sort(values), {}
    for percent in PERCENTS:
        rank = max(1, int(np.ceil(percent / 100 * len(ascending))))
        if len(ascending) and (percent == PERCENTS[0] or len(ascending) - rank >= _LEAST_BEYOND):
            found[f"p{percent}"] = float(ascending[rank - 1])
    return found
