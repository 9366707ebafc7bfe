from __future__ import annotations

import select
import socket
import sys
import time
from _socket import socket as RawSocket  # noqa: N812
from collections.abc import Iterator

import pytest

from loadtests.load.clients import sockets
from loadtests.load.clients.sockets import RealtimeOffset


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def _connect(listener: socket.socket) -> tuple[RawSocket, socket.socket]:
    ours = sockets.open_stream(socket.AF_INET)
    sockets.start_connect(ours, listener.getsockname())
    theirs, _ = listener.accept()
    select.select([], [ours], [], 5)
    sockets.finish_connect(ours)
    return ours, theirs


@pytest.mark.skipif(sys.platform != "linux", reason="kernel receive stamps are Linux's")
def test_the_kernel_says_when_it_received(listener: socket.socket) -> None:
    ours, theirs = _connect(listener)
    offset = RealtimeOffset()
    stamps: list[tuple[int, int, int]] = []
    # Stamping is switched on in the background by the first socket that asks: early segments may lack it.
    until_s = time.monotonic() + 10
    while len(stamps) < 5 and time.monotonic() < until_s:
        before_ns = time.monotonic_ns()
        theirs.send(b"x")
        select.select([ours], [], [], 5)
        _, ancillary, _, _ = ours.recvmsg(10, sockets.ANCILLARY_BYTES)
        after_ns = time.monotonic_ns()
        stamp_ns = sockets.realtime_stamp_ns(ancillary)
        if stamp_ns:
            stamps.append((before_ns, stamp_ns - offset.offset_ns, after_ns))
    assert stamps
    slack_ns = offset.uncertainty_ns
    assert all(before_ns - slack_ns <= stamp_ns <= after_ns + slack_ns for before_ns, stamp_ns, after_ns in stamps)
    ours.close()
    theirs.close()


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO as read here is Linux's")
def test_tcp_info_counts_bytes_and_segments(listener: socket.socket) -> None:
    ours, theirs = _connect(listener)
    before = sockets.read_totals(ours)
    theirs.send(b"x" * 1000)
    select.select([ours], [], [], 5)
    ours.recv(2000)
    ours.send(b"y" * 10)
    theirs.recv(20)
    after = sockets.read_totals(ours)
    assert before is not None
    assert after is not None
    assert after.bytes_received - before.bytes_received == 1000
    assert after.bytes_sent - before.bytes_sent == 10
    assert after.segments_in > before.segments_in
    assert after.segments_out > before.segments_out
    ours.close()
    theirs.close()


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO as read here is Linux's")
def test_what_nobody_has_read_yet_does_not_count_as_received(listener: socket.socket) -> None:
    ours, theirs = _connect(listener)
    theirs.send(b"x" * 1000)
    select.select([ours], [], [], 5)
    ours.recv(300)
    totals = sockets.read_totals(ours)
    assert totals is not None
    assert totals.bytes_received == 300
    ours.close()
    theirs.close()


def test_a_read_without_stamp_says_so() -> None:
    assert sockets.realtime_stamp_ns([]) == 0


def test_a_refused_connection_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    ours = sockets.open_stream(socket.AF_INET)
    with pytest.raises(ConnectionRefusedError):
        _finish(ours, address)
    ours.close()


def _finish(ours: RawSocket, address: tuple[str, int]) -> None:
    sockets.start_connect(ours, address)
    select.select([], [ours], [], 5)
    sockets.finish_connect(ours)
