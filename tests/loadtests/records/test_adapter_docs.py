"""docs/adapters.md: its files are sound, its class works, and it names every key."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from loadtests.load.clients import foreign
from loadtests.load.clients.base import Access, Endpoint
from loadtests.load.clients.foreign import ForeignWebSocketClient
from loadtests.records import adapter
from loadtests.records.adapter import Publish, Step, Subscribe

DOC = Path(__file__).parents[3].joinpath("docs", "adapters.md").read_text(encoding="utf-8")
FILES = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)
(OWN,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)


@pytest.mark.parametrize("place", range(len(FILES)))
def test_a_file_of_the_docs_is_sound(place: int, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(FILES[place])
    (found,) = adapter.find(str(tmp_path / "mine.toml"))
    assert found.name == "mine"


def test_every_key_and_every_adapter_is_named() -> None:
    for key in (*Subscribe.__struct_fields__, *Publish.__struct_fields__, *Step.__struct_fields__):
        assert f"`{key}`" in DOC or f"`{key} = " in DOC, key
    for name in adapter.FILES.named():
        assert f"`{name}`" in DOC, name


def test_the_class_of_the_docs_reads_and_writes_compressed_messages(tmp_path: Path) -> None:
    (tmp_path / "deflated.py").write_text(OWN)
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nabout = ""\nprotocol = "websocket"\n'
        '[subscribe]\npath = "/"\nclient = "deflated.py:Deflated"\nbinary = true\n'
    )
    (found,) = adapter.find(str(tmp_path / "mine.toml"))
    client = foreign.client(found, Access(Endpoint("h", 80), "r", ""))
    assert isinstance(client, ForeignWebSocketClient)
    assert zlib.decompress(client.encoded("text")) == b"text"
    assert client.decoded(zlib.compress(b"text")) == b"text"
