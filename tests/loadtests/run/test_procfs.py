"""Readings from the operating system: of this very process, and from files with known content."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from loadtests.run import procfs

GONE = 2**22 + 1  # above any pid this system gives

SLABINFO = """\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab>
TCP                   39     39   2048   13    8 : tunables
sock_inode_cache     133    133    512   19    4 : tunables
filp                 693    693    256   21    1 : tunables
dentry               693    693    128   21    1 : tunables
eventpoll_epi        256    256    128   32    1 : tunables
"""


def test_cpu_grows_with_work_and_not_with_waiting() -> None:
    before = procfs.cpu_ns([os.getpid()])
    began = time.process_time_ns()
    while time.process_time_ns() - began < 30_000_000:
        pass
    assert procfs.cpu_ns([os.getpid()]) - before >= 25_000_000


def test_a_process_that_has_gone_uses_nothing() -> None:
    assert procfs.cpu_ns([GONE]) == 0
    assert procfs.rss_kib([GONE]) == 0


def test_without_process_clocks_the_ticks_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "_LINUX", False)
    assert procfs.cpu_ns([os.getpid()]) > 0
    assert procfs.cpu_ns([GONE]) == 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="nothing is pinned here")
def test_the_cores_that_processes_may_run_on_are_counted_once() -> None:
    assert procfs.core_count([os.getpid(), os.getpid()]) == len(os.sched_getaffinity(0))
    assert procfs.core_count([]) == 1


def test_memory_counts_pages_that_were_touched() -> None:
    before = procfs.rss_kib([os.getpid()])
    held = bytearray(os.urandom(1 << 20)) * 64
    assert procfs.rss_kib([os.getpid()]) - before > 32 * 1024
    assert len(held) == 64 << 20


def test_the_machine_is_busier_than_one_of_its_processes() -> None:
    assert procfs.machine_busy_ns() > 0


def test_a_connections_objects_are_summed(tmp_path: Path) -> None:
    path = tmp_path / "slabinfo"
    path.write_text(SLABINFO)
    assert procfs.connection_objects_kib(path) == 3.0


def test_an_unknown_slab_layout_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "slabinfo"
    path.write_text(SLABINFO.replace("filp ", "file "))
    assert procfs.connection_objects_kib(path) is None
    assert procfs.connection_objects_kib(tmp_path / "missing") is None


def test_tcp_buffers_are_pages(tmp_path: Path) -> None:
    path = tmp_path / "sockstat"
    path.write_text("sockets: used 13\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 10\nUDP: inuse 0 mem 5\n")
    assert procfs.tcp_buffers_kib(path) == 10 * os.sysconf("SC_PAGE_SIZE") / 1024
    path.write_text("sockets: used 13\n")
    assert procfs.tcp_buffers_kib(path) is None
    assert procfs.tcp_buffers_kib(tmp_path / "missing") is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_this_machine_tells_its_tcp_buffers() -> None:
    assert procfs.tcp_buffers_kib() is not None


def test_a_metric_is_summed_over_its_labels() -> None:
    text = '# TYPE a gauge\na{t="x"} 2.0\na{t="y"} 3\na_total 9\nb 1\n'
    assert procfs.metric_total(text, "a") == 5.0
    assert procfs.metric_total(text, "b") == 1.0
    assert procfs.metric_total(text, "c") is None
