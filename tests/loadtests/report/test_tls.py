"""What TLS adds: pairs of the same load, the model of a record's bytes, memory by event loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from loadtests.records.schema import Cell, Run, Validity, Verdict
from loadtests.report import export, page, tls, variants
from loadtests.report.condition import Cost
from loadtests.report.field import Part
from loadtests.report.study import Study, study
from loadtests.report.tls import Added, Held
from tests.loadtests.report import synthetic
from tests.loadtests.report.pages import draw_only
from tests.loadtests.report.synthetic import TRUTHS

KIB = {"": 10.0, "tls": 30.0, "tls,loop=asyncio": 280.0}


def _over_tls(cell: Cell) -> Cell:
    """The same cell over TLS: one and a half times the CPU, a record around each delivery."""
    assert cell.costs is not None
    assert cell.costs.wire_bytes_down_per_delivery is not None
    costs = msgspec.structs.replace(
        cell.costs,
        server_cpu_us_per_delivery=15.0,
        wire_bytes_down_per_delivery=cell.costs.wire_bytes_down_per_delivery + 23.5,
    )
    return msgspec.structs.replace(cell, kind="ablation", variant="tls", against="50x10", costs=costs)


def _changed(cell: Cell) -> list[Cell]:
    if cell.kind == "memory":
        assert cell.costs is not None
        return [
            msgspec.structs.replace(
                cell,
                id=cell.id + variant,
                load="-".join(filter(None, (cell.load, variant))),
                variant=variant,
                costs=msgspec.structs.replace(
                    cell.costs, server_kib_per_connection=kib, kernel_kib_per_connection=None
                ),
            )
            for variant, kib in KIB.items()
        ]
    if cell.load == "50x10-tls":
        return [_over_tls(cell)]
    assert cell.costs is not None
    costs = msgspec.structs.replace(cell.costs, server_cpu_us_per_delivery=10.0)
    return [msgspec.structs.replace(cell, costs=costs)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    truths = {"websocket": TRUTHS["websocket"]}
    plan = synthetic.Plan(
        truths=truths, loads=[("50x10", 50, 10.0)], fan_out=[("50x10-tls", 50, 10.0)], blocks=1, measured_s=2.0
    )
    synthetic.make_run(folder, plan)
    path = folder / "run.json"
    run = msgspec.json.decode(path.read_bytes(), type=Run)
    cells = tuple(made for cell in run.cells for made in _changed(cell))
    manifest = {**run.manifest, "versions": {"uvloop": "1.0"}}
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(run, cells=cells, manifest=manifest)))
    return folder


@pytest.fixture(scope="module")
def worked_out(folder: Path) -> Study:
    return study(folder)


@pytest.fixture(scope="module")
def part(worked_out: Study, folder: Path) -> Part:
    found = tls.part(worked_out, folder)
    assert found is not None
    return found


def test_what_a_record_adds_is_held_against_the_model(part: Part) -> None:
    assert isinstance(part.found, Added)
    (pair,) = part.found.pairs
    assert part.found.bytes_added(pair) == pytest.approx(23.5)
    assert part.found.residual_bytes(pair) == pytest.approx(1.5)


def test_bytes_of_an_invalid_cell_are_not_compared(part: Part) -> None:
    assert isinstance(part.found, Added)
    (pair,) = part.found.pairs
    invalid = replace(pair, other=replace(pair.other, validity=Validity.INVALID))
    assert part.found.bytes_added(invalid) is None
    assert part.found.residual_bytes(invalid) is None


def test_the_sentence_says_what_it_costs_and_which_loop_to_take(part: Part) -> None:
    assert part.sentence == (
        "Over TLS a delivery takes 1.50 times the server's CPU and 23.5 bytes more, and an idle connection keeps "
        "30.0 KiB on uvloop in place of 10.0: run it on uvloop, since asyncio's own loop keeps 280 KiB."
    )


def held(loop: str, kib: float) -> Held:
    return Held("websocket", loop, None, Cost(kib, kib, kib, 1))


def test_uvloop_is_advised_only_where_its_own_figure_is_the_less() -> None:
    advised = tls._sentence(Added((), (held("uvloop", 30.0), held("asyncio", 280.0))))
    assert "run it on uvloop, since asyncio's own loop keeps 280 KiB" in advised
    assert tls._sentence(Added((), (held("uvloop", 30.0), held("asyncio", 29.0)))) == (
        "Over TLS an idle connection keeps 30.0 KiB on uvloop: size the server's memory by its connections."
    )


def test_where_nothing_can_be_compared_the_sentence_says_so(part: Part) -> None:
    assert isinstance(part.found, Added)
    (pair,) = part.found.pairs
    invalid = replace(pair, other=replace(pair.other, validity=Validity.INVALID))
    assert tls._sentence(Added((invalid,), ())) == (
        "What TLS adds cannot be said: no cell over TLS can be compared with one without."
    )


def test_memory_of_an_invalid_cell_is_not_stated(worked_out: Study, folder: Path) -> None:
    invalid = Verdict(Validity.INVALID, ("nothing was received",))
    cells = [
        msgspec.structs.replace(cell, verdict=invalid) if cell.variant == "tls,loop=asyncio" else cell
        for cell in worked_out.run.cells
    ]
    run = msgspec.structs.replace(worked_out.run, cells=tuple(cells))
    found = tls.part(replace(worked_out, run=run), folder)
    assert found is not None
    assert isinstance(found.found, Added)
    assert [each.loop for each in found.found.memory] == ["uvloop"]


def test_cells_over_tls_are_no_part_of_the_plain_memory_nor_of_the_ablations(worked_out: Study) -> None:
    assert worked_out.memory["websocket"].value == 10.0
    assert variants.ablations(worked_out) == []


def test_exports_have_memory_over_tls_beside_the_plain(worked_out: Study) -> None:
    memory = [record for record in export.records(worked_out) if record["kind"] == "memory"]
    assert [(record["load"], record["memory_kib"]) for record in memory] == [
        ("idle-400", 10.0),
        ("idle-400-tls", 30.0),
        ("idle-400-tls,loop=asyncio", 280.0),
    ]


def test_the_page_has_the_pairs_the_loops_and_the_chart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_only(monkeypatch, field=(tls.part,))
    text = page.write(folder).read_text(encoding="utf-8")
    section = text[text.index('<h3 id="h-tls">') :]
    assert "<td>uvloop</td>" in section
    assert "<td>asyncio</td>" in section
    assert section.count('aria-label="What TLS adds.') == 1
