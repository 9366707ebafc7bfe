"""Shards of a plain Locust run become one run, or are refused in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadtests.records import store
from loadtests.records.cell_spec import GeneratorResult, GeneratorSecond, Load
from loadtests.records.errors import RunError
from loadtests.records.schema import ABSENT_NS, PUBLISHES, SAMPLES, Phase, Validity
from loadtests.records.shard import Shard, UserClass, UserSpan
from loadtests.report.study import study
from loadtests.run import shards

S = 1_000_000_000
SECONDS = range(1, 41)
SSE = UserClass(name="SseUser", like="sse", stock=False, label="SSE", straggle_s=0.0)
BUYER = UserClass(name="Buyer", like="websocket", stock=False, label="WS", straggle_s=0.0)
MANIFEST: dict[str, dict[str, Any]] = {
    "versions": {"rtlab": "0.2", "locust": "2", "python": "3.11"},
    "host": {"kernel": "6", "cpu_model": "x", "cores": 2},
    "git": {"commit": "abc"},
    "settings": {"rate_per_s": 1.0},
    "random": {"seed": 1},
}


def shard(
    folder: Path,
    worker: int,
    users: Mapping[int, UserClass],
    *,
    without: Sequence[int] = (),
    lag_ms: float = 0.1,
    ended: Mapping[str, int] | None = None,
    changed: Mapping[str, Any] | None = None,
) -> Path:
    """One worker's shard: users, each of which got a message a second, but for those `without`."""
    place = folder / str(worker)
    place.mkdir(parents=True)
    rows = [
        dict.fromkeys(SAMPLES.names, 0)
        | {
            "cell": "locust", "scheduled_ns": second * S, "sent_ns": second * S, "kernel_rx_ns": second * S + 2_000_000,
            "user_rx_ns": second * S + 2_100_000, "message": second, "subscriber": number, "offset": second,
            "batch_size": 1, "phase": Phase.MEASURED,
        }
        for number in users
        for second in SECONDS
        if second not in without
    ]  # fmt: skip
    sent = [
        {
            "cell": "locust", "publisher": 0, "message": second, "room": 0, "scheduled_ns": second * S,
            "sent_ns": second * S, "accepted_ns": second * S + 1, "offset": second, "phase": Phase.MEASURED,
            "refused_ns": ABSENT_NS,
        }
        for second in SECONDS
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=SAMPLES), place / "samples.parquet")
    pq.write_table(pa.Table.from_pylist(sent * (worker == 0), schema=PUBLISHES), place / "publishes.parquet")
    result = GeneratorResult(
        cell="locust",
        clock="kernel",
        subscribers_connected=len(users),
        measured_from_ns=0,
        measured_to_ns=60 * S,
        connect_ms=(),
        sockets=None,
        seconds=tuple(GeneratorSecond(t_ns=t * S, phase=1, cpu_percent=5.0, rss_kib=1.0, lag_ms=0.1) for t in SECONDS),
        hub_lag_ms_p99=lag_ms,
        cpu_s=1.0,
        refused=0,
        told_gaps=0,
        reconnects=0,
        errors=dict(ended or {}),
    )
    (place / "generator.json").write_bytes(msgspec.json.encode(result))
    written = Shard(
        run="20261129T000000Z-locust-abc",
        worker=worker,
        workers=2,
        clock="one",
        started_utc="2026-11-29T00:00:00+00:00",
        manifest=MANIFEST,
        load=Load(name="locust", subscribers=1, rate_per_s=1.0),
        room_names=("lobby",),
        classes=tuple(dict.fromkeys(users.values())),
        spans=tuple(UserSpan(n, 0, each.name, 1, 60 * S, 3.0, 0, 0) for n, each in users.items()),
        publications=len(SECONDS) * (worker == 0),
        failures=0,
    )
    (place / "shard.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(written, **(changed or {}))))
    return place


def test_classes_are_rows_and_workers_are_added_up(tmp_path: Path) -> None:
    given = [shard(tmp_path / "s", 0, {0: SSE, 1: BUYER}), shard(tmp_path / "s", 1, {1_000_000: SSE})]
    folder = shards.assemble(given, tmp_path / "runs")
    run = store.load(folder)
    assert (run.run_id, run.complete, run.scenario) == (folder.name, True, "locust")
    assert run.manifest["locust"] == {"users": 3, "publications": 40, "failures": 0, "workers": 2, "clocks": 1}
    assert {cell.transport: cell.subscribers for cell in run.cells} == {"sse": 2, "Buyer": 1}
    for cell in run.cells:
        assert cell.verdict.validity is Validity.VALID, cell.verdict
        assert cell.counts is not None
        assert (cell.counts.expected, cell.counts.received) == (40 * cell.subscribers, 40 * cell.subscribers)
    worked_out = study(folder)
    assert {result.condition.transport for result in worked_out.results} == {"sse", "Buyer"}
    assert all(result.p50 is not None and result.p50.value_ms == 2.0 for result in worked_out.results)
    assert pq.read_table(folder / "timeline.parquet").num_rows == 2 * len(SECONDS)


def test_a_folder_of_shards_is_as_good_as_its_shards(tmp_path: Path) -> None:
    shard(tmp_path / "s", 0, {0: SSE})
    shard(tmp_path / "s", 1, {1_000_000: SSE})
    assert store.load(shards.assemble([tmp_path / "s"], tmp_path / "runs")).complete


def test_a_late_worker_is_named(tmp_path: Path) -> None:
    shard(tmp_path / "s", 0, {0: SSE})
    shard(tmp_path / "s", 1, {1_000_000: SSE}, lag_ms=40.0)
    (cell,) = store.load(shards.assemble([tmp_path / "s"], tmp_path / "runs")).cells
    assert cell.verdict.validity is not Validity.VALID
    assert [reason.partition(":")[0] for reason in cell.verdict.reasons] == ["worker 1"]
    assert cell.instrument is not None
    assert cell.instrument.hub_lag_ms_p99 == 40.0


def test_what_one_worker_lost_is_lost(tmp_path: Path) -> None:
    shard(tmp_path / "s", 0, {0: SSE})
    shard(tmp_path / "s", 1, {1_000_000: SSE}, without=(7, 8))
    (cell,) = store.load(shards.assemble([tmp_path / "s"], tmp_path / "runs")).cells
    assert cell.counts is not None
    assert cell.counts.lost == 2
    assert cell.verdict.validity is Validity.INVALID


def test_errors_stand_with_the_class_that_they_are_of(tmp_path: Path) -> None:
    ended = {"SSE connection ended: x": 2, "WS connection ended: y": 1}
    shard(tmp_path / "s", 0, {0: SSE, 1: BUYER}, ended=ended, changed={"workers": 1})
    run = store.load(shards.assemble([tmp_path / "s"], tmp_path / "runs"))
    assert {cell.transport: cell.errors for cell in run.cells} == {
        "sse": {"SSE connection ended: x": 2},
        "Buyer": {"WS connection ended: y": 1},
    }


def test_an_error_is_of_the_longest_label_that_it_begins_with(tmp_path: Path) -> None:
    labels = ("WS", "WS stock", "WS stock TLS", "WS stock TLS far")  # `WS stock` is the lab's own
    classes = {
        number: UserClass(name=f"U{number}", like="websocket", stock=False, label=label, straggle_s=0.0)
        for number, label in enumerate(labels)
    }
    shard(tmp_path / "s", 0, classes, ended={f"{label} closed": 2 for label in labels}, changed={"workers": 1})
    run = store.load(shards.assemble([tmp_path / "s"], tmp_path / "runs"))
    wanted = {f"U{number}": {f"{label} closed": 2} for number, label in enumerate(labels)}
    assert {cell.transport: cell.errors for cell in run.cells} == wanted


@pytest.mark.parametrize(("arrivals", "batched"), [("poisson", 0.0), ("constant", 1.0)])
def test_random_arrivals_that_came_together_by_chance_are_not_held_against_the_reader(
    tmp_path: Path, arrivals: str, batched: float
) -> None:
    load = Load(name="locust", subscribers=1, rate_per_s=1.0, arrivals=arrivals)
    place = shard(tmp_path / "s", 0, {0: SSE}, changed={"workers": 1, "load": load})
    samples = pq.read_table(place / "samples.parquet")
    pairs = pa.array([2] * samples.num_rows, SAMPLES.field("batch_size").type)
    index = SAMPLES.get_field_index("batch_size")
    pq.write_table(samples.set_column(index, SAMPLES.field(index), pairs), place / "samples.parquet")
    (cell,) = store.load(shards.assemble([tmp_path / "s"], tmp_path / "runs")).cells
    assert cell.instrument is not None
    assert cell.instrument.batched_fraction == batched


def test_only_the_measured_phase_costs(tmp_path: Path) -> None:
    place = shard(tmp_path / "s", 0, {0: SSE}, changed={"workers": 1})
    samples = pq.read_table(place / "samples.parquet")
    phases = pa.array([Phase.WARM_UP] * 20 + [Phase.MEASURED] * 20, SAMPLES.field("phase").type)
    index = SAMPLES.get_field_index("phase")
    pq.write_table(samples.set_column(index, SAMPLES.field(index), phases), place / "samples.parquet")
    (cell,) = store.load(shards.assemble([tmp_path / "s"], tmp_path / "runs")).cells
    assert cell.costs is not None
    assert cell.costs.generator_cpu_us_per_delivery == 1e6 / 20


def test_a_missing_worker_makes_the_run_incomplete(tmp_path: Path) -> None:
    run = store.load(shards.assemble([shard(tmp_path / "s", 0, {0: SSE})], tmp_path / "runs"))
    assert (run.complete, run.note) == (False, "the shards of 1 of 2 workers are missing: 1")


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        ({"run": "another"}, "these are shards of 2 Locust runs: 20261129T000000Z-locust-abc, another"),
        ({"worker": 0}, "the shard of worker 0 is given 2 times"),
        (
            {"manifest": MANIFEST | {"settings": {"rate_per_s": 2.0}}},
            "worker 1 can't be merged with worker 0: its settings.rate_per_s is 2.0, not 1.0",
        ),
        (
            {"manifest": MANIFEST | {"git": {"commit": "def"}}},
            "worker 1 can't be merged with worker 0: its git.commit is def, not abc",
        ),
    ],
    ids=["run", "worker", "settings", "commit"],
)
def test_what_does_not_belong_together_is_refused(tmp_path: Path, second: dict[str, Any], complaint: str) -> None:
    given = [shard(tmp_path / "s", 0, {0: SSE}), shard(tmp_path / "s", 1, {1_000_000: SSE}, changed=second)]
    with pytest.raises(RunError, match=complaint):
        shards.assemble(given, tmp_path / "runs")


def test_nothing_is_made_without_the_publications(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the shard of worker 0 is missing"):
        shards.assemble([shard(tmp_path / "s", 1, {1_000_000: SSE})], tmp_path / "runs")


def test_a_folder_without_a_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no shard of a Locust run"):
        shards.assemble([tmp_path], tmp_path / "runs")


def test_a_shard_that_is_cut_short_is_named(tmp_path: Path) -> None:
    cut = shard(tmp_path / "s", 0, {0: SSE})
    (cut / "generator.json").unlink()
    with pytest.raises(RunError, match=r"generator\.json cannot be read as .*: there is no such file"):
        shards.assemble([cut], tmp_path / "runs")
