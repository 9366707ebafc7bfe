from __future__ import annotations

import select
import socket
import sys
import time
from _socket import socket as RawSocket  # noqa: N812
from array import array
from collections.abc import Iterator
from itertools import count

import pytest

from loadtests.load.clients import sockets
from loadtests.load.clients.sockets import RealtimeOffset

if sys.platform == "linux":
    import fcntl
    import termios


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


def test_a_refused_connection_is_reported() -> None:
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


_WALL_NS = 1_700_000_000_000_000_000


class Clocks:
    """Two clocks of one machine; a reading takes `reading_ns`, an interrupted one longer."""

    def __init__(self) -> None:
        self.now_ns = 5_000
        self.offset_ns = _WALL_NS
        self.reading_ns = 100
        self.interrupted_every = 0
        self._readings = count(1)

    def _pass(self) -> None:
        self.now_ns += self.reading_ns
        if self.interrupted_every and next(self._readings) % self.interrupted_every == 0:
            self.now_ns += 1_000_000

    def monotonic_ns(self) -> int:
        self._pass()
        return self.now_ns

    def realtime_ns(self) -> int:
        self._pass()
        return self.now_ns + self.offset_ns


def _measure(clocks: Clocks) -> RealtimeOffset:
    return RealtimeOffset(clocks.realtime_ns, clocks.monotonic_ns)


def test_the_offset_is_known_to_its_uncertainty() -> None:
    offset = _measure(Clocks())
    assert abs(offset.offset_ns - _WALL_NS) <= offset.uncertainty_ns <= 101


def test_interrupted_readings_are_not_believed() -> None:
    clocks = Clocks()
    clocks.interrupted_every = 5
    offset = _measure(clocks)
    assert abs(offset.offset_ns - _WALL_NS) <= offset.uncertainty_ns <= 101


def test_a_tighter_sample_replaces_a_wider_one_and_not_the_other_way_round() -> None:
    clocks = Clocks()
    clocks.reading_ns = 1_000
    offset = _measure(clocks)
    wide_ns = offset.uncertainty_ns
    clocks.reading_ns = 50
    offset.refresh()
    tight_ns = offset.uncertainty_ns
    assert tight_ns < wide_ns
    clocks.reading_ns = 1_000
    offset.refresh()
    assert (offset.uncertainty_ns, offset.steps) == (tight_ns, 0)


def test_a_step_of_the_wall_clock_is_taken_over_and_counted() -> None:
    clocks = Clocks()
    offset = _measure(clocks)
    clocks.offset_ns -= 3_000_000_000
    offset.refresh()
    assert offset.steps == 1
    assert abs(offset.offset_ns - clocks.offset_ns) <= offset.uncertainty_ns


def test_slewing_moves_both_clocks_and_is_no_step() -> None:
    clocks = Clocks()
    offset = _measure(clocks)
    for _ in range(100):
        clocks.now_ns += 1_000_500_000
        offset.refresh()
    assert (offset.steps, abs(offset.offset_ns - _WALL_NS) <= 101) == (0, True)


def test_the_real_clocks_agree_with_themselves() -> None:
    offset = RealtimeOffset()
    offset.refresh()
    assert offset.steps == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux discards what comes")
def test_a_pulled_cable_acknowledges_nothing_and_tells_nobody_until_the_close(listener: socket.socket) -> None:
    ours, theirs = _connect(listener)
    with theirs:
        theirs.settimeout(5)
        sockets.pull_cable(ours)
        theirs.sendall(b"x" * 100)
        assert not select.select([ours], [], [], 0.1)[0], "nothing arrives"
        held = array("i", [0])
        fcntl.ioctl(theirs.fileno(), termios.TIOCOUTQ, held)
        assert held[0] == 100, "nothing is acknowledged"
        assert not select.select([theirs], [], [], 0)[0], "the peer is told nothing"
        ours.close()
        with pytest.raises(ConnectionResetError):
            theirs.recv(1)
