"""Allocations are attributed to the right module, and none is missing from the table."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import pytest

from loadtests.evidence.bench import idle, memory

MIB = 1 << 20


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/somewhere/core/subscription.py", "core/subscription"),
        ("/somewhere/transports/direct/event_stream.py", "transports/direct/event_stream"),
        ("/v/lib/python3.11/site-packages/uvicorn/protocols/utils.py", "uvicorn: utils"),
        ("/v/lib/python3.11/site-packages/starlette/core/x.py", "starlette: x"),
        ("/v/lib/python3.11/site-packages/six.py", "six"),
        ("/usr/lib/python3.11/asyncio/locks.py", "Python: asyncio/locks"),
        ("<string>", "Python: <string>"),
    ],
)
def test_a_file_belongs_to_a_place(file: str, expected: str) -> None:
    assert memory.place(file) == expected


def test_bytes_are_per_connection_and_little_things_are_summed_up() -> None:
    allocated = {"/a/core/hub.py": 9000, "/b/core/hub.py": 1000, "/a/core/outbox.py": 300, "/a/core/wire.py": -100}
    assert memory.shared(allocated, 10) == {"core/hub": 1000.0, "all other": 20.0}


def test_table_has_a_column_per_transport_and_their_sums() -> None:
    found = {"sse": {"core/hub": 1024.0, "all other": 512.0}, "longpoll": {"core/leases": 2048.0, "all other": 0.0}}
    text = memory.markdown(found, 1000)
    assert "over 1,000 connections" in text
    assert text.index("| core/leases |  | 2.00 |") < text.index("| core/hub | 1.00 |  |")
    assert text.endswith("| all other | 0.50 | 0.00 |\n| sum | 1.5 | 2.0 |\n")


def test_a_connection_holds_at_least_what_the_protocol_needs() -> None:
    each = memory.per_connection("sse", 20)
    assert 1024.0 < sum(each.values()) < 1024.0 * 1024.0
    assert any(name.startswith("uvicorn") for name in each)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_what_is_mapped_from_a_file_is_nobodys_own_memory(tmp_path: Path) -> None:
    file = tmp_path / "library"
    file.write_bytes(bytes(16 * MIB))
    before_kib = idle.resident_kib([os.getpid()])
    with file.open("rb") as library, mmap.mmap(library.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[::4096]) == 0
        with_library_kib = idle.resident_kib([os.getpid()])
    with mmap.mmap(-1, 16 * MIB, flags=mmap.MAP_PRIVATE) as own:
        own.write(b"x" * (16 * MIB))
        with_own_kib = idle.resident_kib([os.getpid()])
    assert with_library_kib - before_kib < 4 * 1024
    assert with_own_kib - before_kib > 12 * 1024
