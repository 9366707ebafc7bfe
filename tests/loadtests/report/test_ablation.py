"""Ablations: pairs that differ in one thing, and a verdict on batching that follows from the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from loadtests.records.schema import Cell, Run
from loadtests.report import variants
from loadtests.report.study import Study, study
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import page_of
from tests.loadtests.report.synthetic import TRUTHS

LOADS = {"50x10": "", "50x10-coalesce": "coalesce=20ms", "50x10-deflate": "deflate"}


def make(folder: Path, cpu_us: Mapping[str, tuple[float, float]]) -> Study:
    """Make a run of two transports, each with the CPU given by itself and when it collects."""
    truths = {name: replace(TRUTHS[name], cpu_us=1.0) for name in cpu_us}
    loads = [(name, 50, 10.0) for name in LOADS]
    synthetic.make_run(
        folder, synthetic.Plan(truths=truths, loads=loads[:1], fan_out=loads[1:], blocks=1, measured_s=2.0)
    )

    def changed(cell: Cell) -> Cell:
        variant = LOADS.get(cell.load, "")
        if cell.costs is None or cell.kind == "memory":
            return cell
        cpu = cpu_us[cell.transport][variant.startswith("coalesce")] * (2 if variant == "deflate" else 1)
        costs = msgspec.structs.replace(
            cell.costs,
            server_cpu_us_per_delivery=cpu,
            wire_bytes_down_per_delivery=100.0 if variant == "deflate" else 400.0,
        )
        made = msgspec.structs.replace(cell, costs=costs)
        return msgspec.structs.replace(made, kind="ablation", variant=variant, against="50x10") if variant else made

    path = folder / "run.json"
    run = msgspec.json.decode(path.read_bytes(), type=Run)
    run = msgspec.structs.replace(run, cells=tuple(map(changed, run.cells)))
    path.write_bytes(msgspec.json.encode(run))
    return study(folder)


def test_each_ablation_is_paired_with_what_it_changes(tmp_path: Path) -> None:
    found = variants.ablations(make(tmp_path, {"websocket": (10.0, 5.0), "longpoll": (8.0, 6.0)}))
    assert [(pair.transport, pair.plain.condition.load, variants.changed(pair), pair.cpu_ratio) for pair in found] == [
        ("websocket", "50x10", "coalesce=20ms", 0.5),
        ("longpoll", "50x10", "coalesce=20ms", 0.75),
        ("websocket", "50x10", "deflate", 2.0),
        ("longpoll", "50x10", "deflate", 2.0),
    ]


@pytest.mark.parametrize(
    ("cpu_us", "said"),
    [
        ({"websocket": (10.0, 5.0), "longpoll": (8.0, 6.0)}, "WebSocket is: the lead of long polling was one of batch"),
        ({"websocket": (10.0, 5.0), "longpoll": (8.0, 4.0)}, "the lead of long polling is not one of batching"),
        ({"websocket": (7.0, 5.0), "longpoll": (8.0, 6.0)}, "the lead of WebSocket is not one of batching"),
    ],
)
def test_whether_a_lead_is_one_of_batching_is_decided_by_the_data(
    cpu_us: dict[str, tuple[float, float]], said: str, tmp_path: Path
) -> None:
    collecting, *compressed = variants.ablation_sentences(variants.ablations(make(tmp_path, cpu_us)))
    assert "when all of them collect for 20.0 ms" in collecting
    assert said in collecting
    assert compressed[0].startswith(
        "Compression over WebSocket: 0.250 times the bytes for 2.00 times the server's CPU."
    )


def test_the_report_has_the_section_only_where_something_was_changed(tmp_path: Path) -> None:
    make(tmp_path / "with", {"websocket": (10.0, 5.0), "longpoll": (8.0, 6.0)})
    page = page_of(tmp_path / "with")
    assert '<h2 id="h-ablation">Is it the batching?' in page
    assert "<td>coalesce=20ms</td>" in page
    assert "h-capacity" not in page
    synthetic.make_run(tmp_path / "without", synthetic.TINY)
    assert "h-ablation" not in page_of(tmp_path / "without")
