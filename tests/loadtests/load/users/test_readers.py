"""Every readable socket is served, a few a turn, so that a timer waits for a few reads only."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import gevent
import pytest

from loadtests.load.users import hub as module
from loadtests.load.users.hub import Alarms, Readers

WAYS = [pytest.param(use_epoll, id="epoll" if use_epoll else "watchers") for use_epoll in {module.HAS_EPOLL, False}]


@pytest.fixture(params=WAYS)
def readers(request: pytest.FixtureRequest) -> Iterator[Readers]:
    made = Readers(use_epoll=request.param)
    yield made
    made.close()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(100)]
        for pair in made:
            for end in pair:
                stack.enter_context(end)
        yield made


def _reading(ours: socket.socket, log: list[bytes]) -> Callable[[], None]:
    return lambda: log.append(ours.recv(100))


def test_all_are_served_and_one_that_ended_too(
    readers: Readers, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    log: list[bytes] = []
    for number, (ours, theirs) in enumerate(pairs):
        readers.add(ours.fileno(), _reading(ours, log))
        theirs.send(b"%d" % number)
    gevent.sleep(0.05)
    assert sorted(log, key=int) == [b"%d" % number for number in range(100)]
    for ours, _ in pairs[1:]:
        readers.remove(ours.fileno())
    pairs[0][1].close()
    pairs[1][1].send(b"unheard")
    gevent.sleep(0.01)
    assert set(log[100:]) == {b""}, "the end is readable until somebody stops to listen"
    readers.remove(pairs[0][0].fileno())
    readers.remove(pairs[0][0].fileno())


def test_who_is_removed_in_a_turn_is_not_called_in_it(
    readers: Readers, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    called: list[str] = []

    def first_come() -> None:
        called.append("called")
        for ours, _ in pairs:
            readers.remove(ours.fileno())

    for ours, theirs in pairs:
        readers.add(ours.fileno(), first_come)
        theirs.send(b"x")
    gevent.sleep(0.02)
    assert len(called) == 1


@pytest.mark.skipif(not module.HAS_EPOLL, reason="epoll is Linux's")
def test_an_alarm_waits_for_a_few_reads_and_not_for_all(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    readers, alarms, log = Readers(), Alarms(), []

    def slowly(ours: socket.socket) -> None:
        ours.recv(100)
        until_s = time.monotonic() + 0.001
        while time.monotonic() < until_s:
            pass
        log.append("read")

    for ours, theirs in pairs:
        readers.add(ours.fileno(), partial(slowly, ours))
        theirs.send(b"x")
    alarms.at(time.monotonic_ns() + 1_000_000, lambda: log.append("alarm"))
    limit_s = time.monotonic() + 10.0
    while len(log) < 101 and time.monotonic() < limit_s:
        gevent.sleep(0.01)
    assert len(log) == 101
    assert log.index("alarm") <= 2 * module.MOST_SOCKETS
    readers.close()
    alarms.close()


def test_a_reader_that_fails_leaves_the_others_served(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    readers, log = Readers(), list[bytes]()

    def fail() -> None:
        pairs[0][0].recv(100)
        raise ValueError("not an event")

    readers.add(pairs[0][0].fileno(), fail)
    readers.add(pairs[1][0].fileno(), _reading(pairs[1][0], log))
    pairs[0][1].send(b"first")
    gevent.sleep(0.01)
    pairs[1][1].send(b"second")
    gevent.sleep(0.01)
    readers.close()
    assert log == [b"second"]
