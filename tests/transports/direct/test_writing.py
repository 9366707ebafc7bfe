"""Giving the same bytes to many sockets, by either way of it: who took how much, and whose was whose."""

from __future__ import annotations

import gc
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.settings import SettingError
from tests.transports.direct.rings import new_ring
from tests.transports.ends import LARGE, Ends
from transports.direct import ring as ring_module
from transports.direct.ring import SendRing
from transports.direct.services import Write
from transports.direct.writing import by_ring, chosen_writes, write_to_each

DATA = b"to everybody"
DESCRIPTORS = Path("/proc/self/fd")


def for_many() -> Write:
    return by_ring(new_ring(), at_least=4)


def always() -> Write:
    return by_ring(new_ring(), at_least=1)


@pytest.fixture(params=[lambda: write_to_each, for_many, always], ids=["write", "many", "ring"])
def write(request: pytest.FixtureRequest) -> Write:
    made: Write = request.param()
    return made


def test_each_receives_what_it_took(write: Write, ends: Callable[[int], Ends]) -> None:
    pairs = ends(21)
    for size in (0, 1, 3, 8, 21, 5, 16, 21):  # the ring has eight places
        data = b"to so many: %d" % size
        assert list(write(pairs.descriptors[:size], data)) == [len(data)] * size
        assert [pairs.received(place) for place in range(21)] == [data] * size + [b""] * (21 - size)


def test_full_and_dead_sockets_take_nothing(write: Write, ends: Callable[[int], Ends]) -> None:
    pairs = ends(13)
    pairs.fill(2)
    pairs.reset(4)
    pairs.reset(9)
    pairs.fill(11)
    descriptors = pairs.descriptors
    pairs.ours[6].close()
    taking_none = {2, 4, 6, 9, 11}
    for _ in range(2):  # a reset is reported first, and then that nothing can be written
        assert list(write(descriptors, DATA)) == [0 if place in taking_none else len(DATA) for place in range(13)]
    received = [pairs.received(place) for place in range(13) if place not in taking_none]
    assert received == [2 * DATA] * 8


def test_who_took_a_part_is_distinguished_from_the_others(write: Write, ends: Callable[[int], Ends]) -> None:
    pairs = ends(5)
    pairs.fill(1)
    taken = list(write(pairs.descriptors, LARGE))
    assert taken[1] == 0
    assert all(0 < size < len(LARGE) for place, size in enumerate(taken) if place != 1)


def test_a_kernel_that_takes_fewer_leaves_nothing_undone_and_nothing_done_twice(
    monkeypatch: pytest.MonkeyPatch, ends: Callable[[int], Ends]
) -> None:
    ring, pairs = new_ring(), ends(7)
    call = ring._call

    def fewer(number: int, *arguments: int) -> int:
        return call(number, arguments[0], allowed, allowed, *arguments[3:]) if allowed else -1

    monkeypatch.setattr(ring, "_call", fewer)
    write = by_ring(ring, at_least=1)
    for now_allowed in (3, 0, 1):
        allowed = now_allowed
        assert list(write(pairs.descriptors, DATA)) == [len(DATA)] * 7
        assert [pairs.received(place) for place in range(7)] == [DATA] * 7
    monkeypatch.undo()
    assert list(write(pairs.descriptors, DATA)) == [len(DATA)] * 7
    assert [pairs.received(place) for place in range(7)] == [DATA] * 7


def test_a_fork_leaves_the_ring_to_its_parent(monkeypatch: pytest.MonkeyPatch, ends: Callable[[int], Ends]) -> None:
    ring, pairs = new_ring(), ends(3)
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: 1)
        assert ring.send(pairs.descriptors, DATA) == []
        assert list(by_ring(ring, at_least=1)(pairs.descriptors, DATA)) == [len(DATA)] * 3
    assert ring.send(pairs.descriptors, DATA) == [len(DATA)] * 3
    assert [pairs.received(place) for place in range(3)] == [2 * DATA] * 3


def test_results_belong_to_their_sockets_though_sends_end_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = new_ring()

    def backwards(number: int, *arguments: int) -> int:
        ring._numbers[:4], ring._results[:4] = memoryview(struct.pack("4Q", 3, 2, 1, 0)).cast("Q"), RESULTS
        return 4

    monkeypatch.setattr(ring, "_call", backwards)
    assert ring.send([11, 12, 13, 14], DATA) == [0, 0, 5, 12]


RESULTS = memoryview(struct.pack("4i", 12, 5, -11, 0)).cast("i")


def test_the_counters_wrap_where_the_kernels_do(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = new_ring()
    ring._sent = (1 << 32) - 8
    tails: list[int] = []

    def take(number: int, *arguments: int) -> int:
        tails.append(ring._tail[0])
        return arguments[1]

    monkeypatch.setattr(ring, "_call", take)
    ring.send([1] * 5, DATA)
    ring.send([1] * 5, DATA)
    assert tails == [(1 << 32) - 3, 0, 2]
    assert ring._heard[0] == 2


def test_where_the_kernel_has_no_ring_each_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_SETUP", 100_000)  # no system call
    assert chosen_writes("auto") == chosen_writes("write")
    assert chosen_writes("auto").name == "write"
    with pytest.raises(SettingError, match=r"RTLAB_WRITES='io_uring': io_uring: .*; auto or write is allowed"):
        chosen_writes("io_uring")


@pytest.mark.parametrize("lacking", ["_SINGLE_MMAP", "_CQE_SKIP"])
def test_an_old_kernels_ring_is_not_used(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    new_ring()
    monkeypatch.setattr(ring_module, lacking, 1 << 31)
    with pytest.raises(OSError, match="older than"):
        SendRing()


def test_a_crowd_is_written_to_by_the_ring_and_a_few_are_not(ends: Callable[[int], Ends]) -> None:
    ring, pairs, asked = new_ring(), ends(6), []
    send = ring.send

    def noted(descriptors: Sequence[int], data: bytes) -> list[int]:
        asked.append(len(descriptors))
        return send(descriptors, data)

    ring.send = noted  # type: ignore[method-assign]
    write = by_ring(ring, at_least=4)
    for size in (3, 4, 6):
        write(pairs.descriptors[:size], DATA)
    assert asked == [4, 6]


def test_a_ring_that_is_forgotten_is_closed() -> None:
    gc.collect()  # those of other tests
    before = len(list(DESCRIPTORS.iterdir()))
    for _ in range(3):
        new_ring()
    assert len(list(DESCRIPTORS.iterdir())) == before
