"""Processes share an id exactly where they share CLOCK_MONOTONIC."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.clients import stamp
from loadtests.load.clients.stamp import OUR_CLOCK, clock_id

_numbers = st.integers(0, 2**31 - 1)
_times = st.integers(0, 2**62)


@given(_numbers, _numbers, _times, _times, st.integers(0, 4096))
def test_a_stamp_is_read_back_and_survives_sanitising(
    publisher: int, message: int, scheduled_ns: int, sent_ns: int, payload_bytes: int
) -> None:
    content = stamp.build(publisher, message, scheduled_ns, sent_ns, payload_bytes)
    assert stamp.read(content) == (publisher, message, scheduled_ns, sent_ns, OUR_CLOCK)
    assert html.escape(content) == content
    assert len(content.encode()) == len(content) >= payload_bytes
    assert len(content) <= max(payload_bytes, 72)


@pytest.mark.parametrize(
    "content", ["", "T", "hello", "T1.2.3", "T1.2.3.4.xx", "T1.2.3.x.", "Talk. to. me. now. please"]
)
def test_what_others_say_is_no_stamp(content: str) -> None:
    assert stamp.read(content) is None


@given(_numbers, _numbers)
def test_a_ref_is_read_back(publisher: int, message: int) -> None:
    assert stamp.read_ref(stamp.build_ref(publisher, message)) == (publisher, message)


@pytest.mark.parametrize("ref", ["", "1", "1.", ".1", "a.b", "1.2.3", "-1.2"])
def test_a_foreign_ref_is_left_alone(ref: str) -> None:
    assert stamp.read_ref(ref) is None


LINUX = sys.platform == "linux"


def _proc(
    folder: Path, *, boot: str = "boot-1", own: str = "time:[1]", children: str = "", offsets: str | None = "0 0"
) -> Path:
    """Make a /proc of a process; its time namespace has `offsets`, None where they can't be read."""
    (folder / "sys" / "kernel" / "random").mkdir(parents=True)
    (folder / "sys" / "kernel" / "random" / "boot_id").write_text(boot + "\n")
    names = folder / "self" / "ns"
    names.mkdir(parents=True)
    (names / "time").symlink_to(own)
    (names / "time_for_children").symlink_to(children or own)
    if offsets is not None:
        (folder / "self" / "timens_offsets").write_text(f"monotonic   {offsets}\nboottime    7 0\n")
    return folder


def test_the_id_follows_boot_and_offset(tmp_path: Path) -> None:
    here = clock_id(_proc(tmp_path / "a"))
    assert clock_id(_proc(tmp_path / "b", own="time:[2]")) == here, "a namespace without an offset has the same clock"
    assert clock_id(_proc(tmp_path / "c", boot="boot-2")) != here
    assert clock_id(_proc(tmp_path / "d", offsets="5000 0")) != here
    assert len(here) == 8


def test_where_the_offset_is_hidden_the_namespace_itself_counts(tmp_path: Path) -> None:
    hidden = clock_id(_proc(tmp_path / "a", offsets=None))
    assert clock_id(_proc(tmp_path / "b", own="time:[2]", offsets=None)) != hidden
    # The file speaks of the namespace of children: after an unshare that is not one's own yet.
    assert clock_id(_proc(tmp_path / "c", children="time:[3]", offsets="5000 0")) == hidden


def test_without_proc_the_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uuid.getnode", lambda: 0x02_00_00_00_00_01)
    assert clock_id(tmp_path / "none") == clock_id(tmp_path / "neither")
    # No address of a card: a random number, which another process would not have.
    monkeypatch.setattr("uuid.getnode", lambda: 0x01_00_00_00_00_01)
    monkeypatch.setattr("os.getpid", lambda: 1)
    first = clock_id(tmp_path / "one")
    monkeypatch.setattr("os.getpid", lambda: 2)
    assert clock_id(tmp_path / "two") != first


def _asked(*prefix: str) -> str:
    command = [*prefix, sys.executable, "-c", "from loadtests.load.clients.stamp import OUR_CLOCK; print(OUR_CLOCK)"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_another_process_of_this_machine_has_the_same_clock() -> None:
    assert _asked() == OUR_CLOCK


@pytest.mark.skipif(not LINUX or os.geteuid() != 0 or shutil.which("unshare") is None, reason="root on Linux only")
def test_another_origin_of_the_clock_is_another_id() -> None:
    assert _asked("unshare", "-T", "--monotonic", "5000") != OUR_CLOCK
