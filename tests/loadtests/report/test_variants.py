"""Variants: pairs are made of what ran both ways under one load, and of nothing else; their section says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from loadtests.records.schema import Cell, Run, Validity, Verdict
from loadtests.report import variants
from loadtests.report.study import study
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import page_of
from tests.loadtests.report.synthetic import TRUTHS

HOP_MS = 3.0


def make(folder: Path, loads: list[str], truths: tuple[str, ...] = ("websocket", "sse"), blocks: int = 1) -> None:
    """Make a run of the load 50x10 and of others like it, to be marked as variants by `rewrite`."""
    plan = synthetic.Plan(
        truths={name: TRUTHS[name] for name in truths},
        loads=(("50x10", 50, 10.0),),
        fan_out=(*((load, 50, 10.0) for load in loads), ("10x10", 10, 10.0)),
        blocks=blocks,
        measured_s=2.0,
    )
    synthetic.make_run(folder, plan)


def rewrite(folder: Path, change: Callable[[Cell], Cell]) -> None:
    path = folder / "run.json"
    run = msgspec.json.decode(path.read_bytes(), type=Run)
    run = msgspec.structs.replace(run, cells=tuple(change(cell) for cell in run.cells))
    path.write_bytes(msgspec.json.encode(run))


def portable(sink: str) -> Callable[[Cell], Cell]:
    """Make the cells of the portable load what the lab would have written."""

    def change(cell: Cell) -> Cell:
        if cell.load.endswith("-portable"):
            return msgspec.structs.replace(cell, kind="stack", server={"sink": sink})
        return msgspec.structs.replace(cell, server={"sink": "direct"})

    return change


def on_redis(deliveries: tuple[int, ...], verdict: Verdict | None = None) -> Callable[[Cell], Cell]:
    """Make the cells of the Redis load what the lab would have written."""

    def change(cell: Cell) -> Cell:
        if not cell.load.endswith("-redis"):
            return cell
        counted = {f"deliveries_instance_{place}": count for place, count in enumerate(deliveries, start=1)}
        made = msgspec.structs.replace(cell, kind="scaled", server={"sink": "direct", **counted})
        return msgspec.structs.replace(made, verdict=verdict) if verdict else made

    return change


def test_two_sinks_stand_side_by_side_in_the_report(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-portable"])
    rewrite(tmp_path, portable("portable"))
    found = variants.stacks(study(tmp_path))
    assert [pair.transport for pair in found] == ["websocket", "sse"]
    assert all(pair.plain.condition.load == "50x10" for pair in found)
    direct, plain_asgi = found[0].plain_cpu_us, found[0].other_cpu_us
    assert direct is not None
    assert plain_asgi is not None
    assert found[0].cpu_ratio == pytest.approx(plain_asgi / direct)
    assert "WebSocket and" in variants.stack_sentence(found)
    page = page_of(tmp_path)
    assert "Protocol or stack?" in page
    assert variants.stack_sentence(found) in page
    assert variants.writes_note(found) == ""
    assert "Scaling out" not in page


def test_how_many_sockets_were_written_to_is_said_where_servers_report_it(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-portable"])

    def change(cell: Cell) -> Cell:
        made = portable("portable")(cell)
        said = "write" if made.transport == "sse" else "io_uring"
        return msgspec.structs.replace(made, server={**made.server, "writes": said})

    rewrite(tmp_path, change)
    note = variants.writes_note(variants.stacks(study(tmp_path)))
    assert note == "Frames went to many sockets by io_uring and write."
    assert note in page_of(tmp_path)


def test_one_sink_twice_is_no_comparison(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-portable"])
    rewrite(tmp_path, portable("direct"))
    assert variants.stacks(study(tmp_path)) == []


def test_a_run_without_variants_has_no_section(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-portable", "50x10-redis"])
    assert variants.stacks(study(tmp_path)) == variants.scaled(study(tmp_path)) == []
    assert variants.stack_sentence([]) == variants.scaled_sentence([]) == ""
    page = page_of(tmp_path)
    assert "Protocol or stack?" not in page
    assert "Scaling out" not in page


def test_one_process_and_several_stand_side_by_side_in_the_report(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-redis"])
    rewrite(tmp_path, on_redis((1200, 800)))
    found = variants.scaled(study(tmp_path))
    assert [(pair.transport, pair.plain.condition.load) for pair in found] == [("websocket", "50x10"), ("sse", "50x10")]
    assert [pair.instances for pair in found] == [2, 2]
    assert variants.shares(found[0]) == "1,200 + 800"
    sentence = variants.scaled_sentence(found)
    assert sentence.startswith("With 2 processes on Redis, half of all deliveries take ")
    page = page_of(tmp_path)
    for shown in ("Scaling out", sentence.replace("'", "&#39;"), "1,200 + 800", "on 2 that share one port"):
        assert shown in page
    assert "Protocol or stack?" not in page


def test_a_planted_hop_is_found_with_its_interval(tmp_path: Path) -> None:
    make(tmp_path / "one", ["50x10-redis"], ("websocket",))
    slow = {"websocket": replace(TRUTHS["websocket"], base_ms=TRUTHS["websocket"].base_ms + HOP_MS)}
    synthetic.make_run(tmp_path / "two", synthetic.Plan(truths=slow, loads=(("50x10", 50, 10.0),), blocks=1))
    rewrite(tmp_path / "one", on_redis((1, 2)))
    (pair,) = variants.scaled(study(tmp_path / "one"))
    other = next(r for r in study(tmp_path / "two").results if r.condition.kind == "latency")
    pair = replace(pair, other=other)
    assert pair.added is not None
    assert pair.added.low_ms <= HOP_MS * 1.1
    assert pair.added.high_ms >= HOP_MS * 0.9
    assert pair.added.value_ms == pytest.approx(pair.added_ms)
    assert "ms longer over WebSocket" in variants.scaled_sentence([pair])
    assert "ms less over WebSocket" in variants.scaled_sentence([replace(pair, plain=pair.other, other=pair.plain)])


def test_the_same_twice_is_called_indistinguishable(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-redis"], ("websocket",))
    rewrite(tmp_path, on_redis((1, 2)))
    (pair,) = variants.scaled(study(tmp_path))
    assert "indistinguishably long over WebSocket" in variants.scaled_sentence([replace(pair, other=pair.plain)])


def test_an_invalid_cell_adds_nothing(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-redis"], ("websocket",))
    rewrite(tmp_path, on_redis((1, 2), Verdict(Validity.INVALID, ("a reason",))))
    (pair,) = variants.scaled(study(tmp_path))
    assert pair.added_ms is None
    assert pair.added is None
    assert pair.cpu_ratio is None
    assert variants.scaled_sentence([pair]) == "With 2 processes on Redis, nothing could be compared."
    assert "Scaling out" in page_of(tmp_path)


def test_one_time_block_gives_the_plain_difference_only(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-redis"], ("websocket",))
    rewrite(tmp_path, on_redis((1, 2)))
    (pair,) = variants.scaled(study(tmp_path))
    blocks = pair.other.blocks
    assert blocks is not None
    one = replace(blocks, counts=blocks.counts[:1], run_block=blocks.run_block[:1])
    pair = replace(pair, other=replace(pair.other, blocks=one))
    assert pair.added is None
    assert pair.added_ms is not None


def test_many_instances_are_shown_by_their_extremes(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-redis"], ("websocket",))
    rewrite(tmp_path, on_redis((5, 1, 4, 2, 3)))
    (pair,) = variants.scaled(study(tmp_path))
    assert variants.shares(pair) == "5 instances, 1 to 5"


def test_servers_that_reported_nothing_are_not_counted(tmp_path: Path) -> None:
    make(tmp_path, ["50x10-redis"], ("websocket",))
    rewrite(tmp_path, on_redis(()))
    (pair,) = variants.scaled(study(tmp_path))
    assert (pair.instances, variants.shares(pair)) == (0, "")
    assert "With processes on Redis" in variants.scaled_sentence([pair])
    assert "on several that share one port" in page_of(tmp_path)
