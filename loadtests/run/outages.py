"""What planned cuts did to a cell: which deliveries they cost, which were replayed, and how late. Pure.

A delivery was replayed if it was due before its subscriber was welcome again and arrived after its cable was back.
Without a resume the events between the last one that a subscriber had and the one after which its new connection begins
are lost by plan. Everything else that is missing is the server's doing. Our servers say where a connection begins; of
others that follows from what came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

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
_JOINS_WITHIN_NS = 250_000_000
"""How long after its welcome a connection to a server of others may begin: few say when a subscription stands."""


def replayed(samples: pa.Table, outages: pa.Table) -> npt.NDArray[np.bool_]:
    """Return which rows of `samples` (`SAMPLES`) came after an outage and were due before its end."""
    found = _columns(samples)
    received_ns = np.where(found["kernel_rx_ns"] == ABSENT_NS, found["user_rx_ns"], found["kernel_rx_ns"])
    late = np.zeros(samples.num_rows, dtype=np.bool_)
    rows_of = _by_subscriber(found)
    for cut in _each(outages):
        rows = rows_of(cut["subscriber"])
        due = (found["scheduled_ns"][rows] < cut["back_ns"]) & (found["scheduled_ns"][rows] != ABSENT_NS)
        late[rows[due & (received_ns[rows] >= cut["on_ns"])]] = True
    return late


def placed(samples: pa.Table, publishes: pa.Table, outages: pa.Table, load: Load, *, resume: bool) -> pa.Table:
    """Return the outages of a server that is not ours with the offsets that it does not say.

    A subscriber left after the last message that it had. Its new connection begins with the first one that comes, or
    with the first one sent `_JOINS_WITHIN_NS` after its welcome, if that is earlier. On a resume it begins where the
    subscriber left, unless it had had nothing that it could resume from.
    """
    got, sent = _columns(samples), _columns(publishes)
    rows_of = _by_subscriber(got)
    left, joined = [], []
    for cut in outages.to_pylist():
        rows = rows_of(cut["subscriber"])
        offsets, before = got["offset"][rows], got["user_rx_ns"][rows] < cut["on_ns"]
        left.append(int(offsets[before].max(initial=0)))
        joined.append(left[-1])
        if cut["back_ns"] != ABSENT_NS and not (resume and left[-1]):
            missed = (sent["offset"] < offsets[~before].min(initial=_NEVER_NS)) & (
                sent["sent_ns"] < cut["back_ns"] + _JOINS_WITHIN_NS
            )
            room = sent["room"] == cut["subscriber"] % load.rooms
            joined[-1] = int(sent["offset"][missed & room].max(initial=left[-1]))
    for name, values in (("left_offset", left), ("joined_offset", joined)):
        place = outages.schema.get_field_index(name)
        outages = outages.set_column(place, outages.schema.field(name), pa.array(values, pa.int64()))
    return outages


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


def _by_subscriber(samples: Columns) -> Callable[[int], Integers]:
    """Return a function from a subscriber to the places of its rows."""
    places = np.argsort(samples["subscriber"], kind="stable")
    ascending = samples["subscriber"][places]

    def rows(subscriber: int) -> Integers:
        first, last = np.searchsorted(ascending, [subscriber, subscriber + 1])
        return places[first:last]

    return rows


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
