"""Records say everything about a transport, are refused with the file and the field, and can come from elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from core import catalogue
from core.catalogue import CatalogueError, read

OURS = Path(catalogue.__file__).parent
RECORD = (OURS / "sse.toml").read_text(encoding="utf-8")
PIGEON = (
    RECORD.replace('"SSE"\nmodel', '"PGN"\nmodel')
    .replace("SseUser", "PigeonUser")
    .replace('id = "sse', 'id = "pigeon')
    .replace("order = 20", "order = 15")
)


@pytest.mark.parametrize("name", catalogue.records())
def test_every_transport_is_contract_tested(name: str) -> None:
    assert catalogue.records()[name].proof.contract, f"the record of {name} names no client of the contract suite"


def test_a_folders_records_stand_among_ours_in_order(tmp_path: Path) -> None:
    (tmp_path / "pigeon.toml").write_text(PIGEON)
    assert list(read([OURS, tmp_path]))[:3] == ["websocket", "pigeon", "sse"]
    assert read([OURS, tmp_path])["pigeon"].load.user_name == "PigeonUser"


def test_the_variable_names_folders_and_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pigeon.toml").write_text(PIGEON)
    monkeypatch.setenv(catalogue.VARIABLE, os.pathsep.join(["", str(tmp_path)]))
    assert "pigeon" in catalogue.records.__wrapped__()
    assert "pigeon" not in catalogue.records()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("order = 15", "", r"pigeon\.toml: Object missing required field `order`"),
        ("order = 15", "order = 15\nspeed = 3", r"pigeon\.toml: Object contains unknown field `speed`"),
        ('model = "push"', 'model = "carrier"', r"pigeon\.toml: Invalid enum value 'carrier' - at `\$\.model`"),
        ("#d55e00", "orange", r"pigeon\.toml: .*`\$\.look\.light`"),
        ("transports.sse:SseTransport", "transports.sse", r"pigeon\.toml: .*`\$\.server\.implementation`"),
        ("order = 15", "order =", r"pigeon\.toml: Invalid value"),
        ('"PGN"', '"SSE"', "pigeon and sse share a label, a Locust user or a lane"),
        ('"PigeonUser"', '"SseUser"', "pigeon and sse share a label, a Locust user or a lane"),
        ('id = "pigeon"', 'id = "sse"', "pigeon and sse share a label, a Locust user or a lane"),
        ('http2 = "optional"', 'variant_of = "websocket"', "variant_of = 'websocket' names no transport with http2"),
    ],
)
def test_a_wrong_record_is_refused_in_a_sentence(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    (tmp_path / "pigeon.toml").write_text(PIGEON.replace(old, new, 1))
    with pytest.raises(CatalogueError, match=complaint):
        read([OURS, tmp_path])


def test_a_name_that_is_taken_and_a_folder_that_is_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text(PIGEON)
    with pytest.raises(CatalogueError, match=re.escape(f"{tmp_path / 'all.toml'}: the name 'all' is taken")):
        read([OURS, tmp_path])
    with pytest.raises(CatalogueError, match="nowhere is no folder"):
        read([tmp_path / "nowhere"])
