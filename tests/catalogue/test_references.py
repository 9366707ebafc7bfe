"""What our records name is there. Read, and not imported: Locust would patch this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import catalogue
from core.catalogue import CatalogueError, Record, records, resolve

ROOT = Path(__file__).parents[2]
STOCK = "loadtests.load.users.stock"


def defines(reference: str) -> bool:
    module, _, name = reference.partition(":")
    place = ROOT.joinpath(*module.split("."))
    paths = (place.with_suffix(".py"), place / "__init__.py")
    return any(path.is_file() and f"\nclass {name}" in path.read_text() for path in paths)


@pytest.mark.parametrize("record", records().values(), ids=lambda record: record.name)
def test_everything_that_a_record_names_is_there(record: Record) -> None:
    load, proof = record.load, record.proof
    named = [record.server.implementation, load.client, load.speaker, proof.contract, proof.wire]
    named += [load.user] if ":" in load.user else []
    named += [f"{STOCK}:{load.stock_user}"] if load.stock_user else []
    assert not [reference for reference in named if reference and not defines(reference)]
    for lane in record.proof.lanes:
        module = ROOT / "transports" / "page" / "clients" / lane.module
        assert f"export class {lane.client} " in module.read_text()


def test_a_reference_to_nothing_is_refused() -> None:
    with pytest.raises(CatalogueError, match="no_such:Thing: No module named 'no_such'"):
        resolve("no_such:Thing")
    with pytest.raises(CatalogueError, match="has no attribute 'Pigeon'"):
        resolve("core.wire:Pigeon")


def test_lanes_are_in_order_and_have_their_looks() -> None:
    drawn = catalogue.lanes()
    assert list(drawn)[:3] == ["websocket", "sse", "sse-fetch"]
    assert drawn["sse"][1] is records()["sse"].look
    assert drawn["sse-fetch"][1].light == "#8a5a44"
