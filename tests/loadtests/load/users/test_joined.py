"""What workers with clocks of their own left, joined: latencies where offsets are known, counts where they are not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadtests.load.users import joined
from loadtests.load.users.cell_worker import EXCHANGES
from loadtests.records.cell_spec import GeneratorResult
from loadtests.records.schema import ABSENT_NS, PUBLISHES, SAMPLES, Phase

S, MS = 1_000_000_000, 1_000_000
AHEAD_NS = 5000 * S
FROM_NS, TO_NS = 100 * S, 110 * S
SENT_NS = [at * S for at in (99, 101, 105, 109)]  # the first one in the warm-up


def worker(folder: Path, number: int, ahead_ns: int, exchanges: int) -> Path:
    """A worker whose subscriber gets what both workers published 2 ms before; each sees the other's without times."""
    place = folder / f"worker-{number}"
    place.mkdir(parents=True)
    empty: dict[str, object] = dict.fromkeys((*SAMPLES.names, *PUBLISHES.names), 0)
    rows = [
        empty
        | {
            "cell": "c", "publisher": publisher, "message": message, "subscriber": number, "batch_size": 1,
            "scheduled_ns": at + ahead_ns if publisher == number else ABSENT_NS,
            "sent_ns": at + ahead_ns if publisher == number else ABSENT_NS,
            "kernel_rx_ns": at + 2 * MS + ahead_ns, "user_rx_ns": at + 2 * MS + ahead_ns,
            "phase": Phase.MEASURED if at >= FROM_NS or publisher != number else Phase.WARM_UP,
        }
        for message, at in enumerate(SENT_NS)
        for publisher in (0, 1)
    ]  # fmt: skip
    sent = [
        empty
        | {
            "cell": "c", "publisher": number, "message": message, "scheduled_ns": at + ahead_ns,
            "sent_ns": at + ahead_ns, "accepted_ns": at + MS + ahead_ns, "refused_ns": ABSENT_NS,
            "phase": Phase.MEASURED if at >= FROM_NS else Phase.WARM_UP,
        }
        for message, at in enumerate(SENT_NS)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=SAMPLES), place / "samples.parquet")
    pq.write_table(pa.Table.from_pylist(sent, schema=PUBLISHES), place / "publishes.parquet")
    result = GeneratorResult(
        cell="c", clock="kernel", subscribers_connected=1, measured_from_ns=FROM_NS + ahead_ns,
        measured_to_ns=TO_NS + ahead_ns, connect_ms=(1.0,), sockets=None, seconds=(), hub_lag_ms_p99=number + 0.5,
        cpu_s=0.25, refused=0, told_gaps=0, reconnects=0, until_ns=TO_NS + S + ahead_ns,
    )  # fmt: skip
    (place / "generator.json").write_bytes(msgspec.json.encode(result))
    asked = [(at + ahead_ns, at + MS // 4, at + MS // 2 + ahead_ns) for at in range(98 * S, 112 * S, S // 10)]
    (place / EXCHANGES).write_bytes(msgspec.json.encode(asked[:exchanges]))
    return place


@pytest.mark.parametrize(("exchanges", "own"), [(140, ["worker 0"]), (0, ["worker 0"]), (140, [])])
def test_two_clocks_are_joined(exchanges: int, own: list[str], tmp_path: Path) -> None:
    first_ahead_ns = 0 if own else -100 * S  # without a worker of the master's clock, only the master knows when it was
    places = [worker(tmp_path, 0, first_ahead_ns, exchanges), worker(tmp_path, 1, AHEAD_NS, exchanges)]
    folders = {f"worker {number}": place for number, place in enumerate(places)}
    joined.join(folders, tmp_path, own_clock=own, window_ns=(FROM_NS, TO_NS), elsewhere=["worker 1"])
    result = msgspec.json.decode((tmp_path / "generator.json").read_bytes(), type=GeneratorResult)
    assert (result.measured_from_ns, result.measured_to_ns) == (FROM_NS, TO_NS)
    assert [each.elsewhere for each in result.workers] == [False, True]
    assert result.until_ns == pytest.approx(TO_NS + S, abs=MS)
    assert (result.cpu_s, result.hub_lag_ms_p99, result.subscribers_connected) == (0.5, 1.5, 2)
    samples = pq.read_table(tmp_path / "samples.parquet")
    column = {name: samples[name].to_numpy() for name in samples.schema.names if name != "cell"}
    publishes = pq.read_table(tmp_path / "publishes.parquet")["sent_ns"].to_numpy()
    assert np.abs(publishes - np.tile(SENT_NS, 2)).max() < MS, "all instants are in the master's time"
    assert (column["phase"] == (column["message"] > 0)).all(), "a delivery is of its publication's phase"
    latency_ms = (column["kernel_rx_ns"] - column["scheduled_ns"]) / MS
    mine = column["publisher"] == column["subscriber"]
    assert latency_ms[mine] == pytest.approx(2.0, abs=0.001)
    if not exchanges:
        assert (column["scheduled_ns"][~mine] == ABSENT_NS).all()
        assert result.clock_uncertainty_ms is None
        assert [clock.offset_ms for clock in result.clocks] == [None]
        return
    uncertainty_ms = result.clock_uncertainty_ms
    assert uncertainty_ms == pytest.approx(0.25 * len(result.clocks), rel=0.2), "half of the way there and back, each"
    assert np.abs(latency_ms[~mine] - 2.0).max() <= uncertainty_ms
    assert result.clocks[-1].offset_ms == pytest.approx(-5_000_000, abs=0.25)


def test_where_windows_differ_a_delivery_is_of_its_publications_phase(tmp_path: Path) -> None:
    places = [worker(tmp_path, number, AHEAD_NS, 0) for number in (0, 1)]
    # The two share a clock, so the second knows when the first one's messages were due; it began a moment later.
    rows = pq.read_table(places[1] / "samples.parquet").to_pylist()
    for row in rows:
        row["scheduled_ns"] = row["sent_ns"] = SENT_NS[row["message"]] + AHEAD_NS
        row["phase"] = Phase.MEASURED if row["message"] > 1 else Phase.WARM_UP
    pq.write_table(pa.Table.from_pylist(rows, schema=SAMPLES), places[1] / "samples.parquet")
    folders = {f"worker {number}": place for number, place in enumerate(places)}
    joined.join(folders, tmp_path, own_clock=[], window_ns=(FROM_NS, TO_NS))
    samples, publishes = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("samples", "publishes"))
    measured = [np.count_nonzero(table["phase"].to_numpy() == Phase.MEASURED) for table in (samples, publishes)]
    assert measured == [2 * 2 * 3, 2 * 3], "each of two subscribers got all of what was measured"
