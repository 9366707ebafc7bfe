"""How exact a link came out: round trips of small probes over it, by the kernel's receive stamps.

Into a namespace the probes are ICMP echo requests, which its kernel answers by itself; through the relay they are
messages to the relay's own echo.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from contextlib import AbstractContextManager

import numpy as np

from loadtests.load.clients import sockets
from loadtests.load.clients.sockets import RealtimeOffset
from loadtests.records.link_spec import Link
from loadtests.records.schema import LinkCheck
from loadtests.run.links.route import Route

_PAYLOAD = bytes(24)
_WIRE_BYTES = 20 + 8 + len(_PAYLOAD)
_GAP_S = 0.002
_FEW, _MANY = 150, 400  # probes; many where losses are to be counted
_LATE_S = 0.5  # beyond the longest round trip: what is not back by then is lost
_FLUSHED = 64


def check(link: Link, route: Route) -> LinkCheck:
    """Probe the link and return what came back; OSError where the probe itself can't be sent."""
    assert route.probe is not None
    probes = _MANY if link.loss_percent else _FEW
    # A tenth of the line's rate at most: a probe that queues measures itself.
    gap_s = max(_GAP_S, 10 * _WIRE_BYTES * 8e-6 / link.rate_mbit) if link.rate_mbit else _GAP_S
    wait_s = (link.rtt_ms + link.jitter_ms) / 1e3 + _LATE_S
    send = _IcmpEcho(route.probe[0]) if not route.probe[1] else _TcpEcho(route.probe)
    with send:
        found_ms = _round_trips_ms(send, probes, gap_s, wait_s)
    p50, p99 = (float(v) for v in np.percentile(found_ms, [50, 99])) if found_ms else (None, None)
    return LinkCheck(
        mechanism=route.mechanism,
        asked_rtt_ms=link.rtt_ms,
        asked_jitter_ms=link.jitter_ms,
        asked_loss_percent=link.loss_percent,
        probes=probes,
        answered=len(found_ms),
        rtt_ms_min=min(found_ms, default=None),
        rtt_ms_p50=p50,
        rtt_ms_p99=p99,
    )


def _round_trips_ms(echo: _IcmpEcho | _TcpEcho, probes: int, gap_s: float, wait_s: float) -> list[float]:
    """Send `probes` on a grid of `gap_s`, listening meanwhile and `wait_s` after; return the round trips in ms."""
    start_s = time.monotonic()
    end_s = start_s + probes * gap_s + wait_s
    sent_ns: dict[int, int] = {}
    found_ms: list[float] = []
    number = 0
    while (now_s := time.monotonic()) < end_s and not (number == probes and not sent_ns):
        due_s = start_s + number * gap_s if number < probes else end_s
        if now_s >= due_s:
            sent_ns[number] = time.monotonic_ns()
            echo.send(number)
            number += 1
            continue
        if select.select([echo.fd], (), (), due_s - now_s)[0]:
            for answered, received_ns in echo.receive():
                if answered in sent_ns:
                    found_ms.append((received_ns - sent_ns.pop(answered)) / 1e6)
    return found_ms


class _Socket(AbstractContextManager["_Socket"]):
    """A probe's socket with kernel receive stamps where there are any."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._socket.setblocking(False)
        self._clock = RealtimeOffset()
        if sockets.HAS_KERNEL_STAMPS:
            self._socket.setsockopt(socket.SOL_SOCKET, sockets.SO_TIMESTAMPNS, 1)

    @property
    def fd(self) -> int:
        """For select."""
        return self._socket.fileno()

    def read(self) -> list[tuple[bytes, int]]:
        """Return what has come, each read with its stamp on CLOCK_MONOTONIC."""
        found = []
        for _ in range(_FLUSHED):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(4096, sockets.ANCILLARY_BYTES)
            except BlockingIOError:
                break
            stamp_ns = sockets.realtime_stamp_ns(ancillary)
            found.append((data, stamp_ns - self._clock.offset_ns if stamp_ns else time.monotonic_ns()))
            if not data:
                raise ConnectionError("the link's echo ended")
        return found

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class _IcmpEcho(_Socket):
    """ICMP echo (RFC 792) over a raw socket."""

    _HEADER = struct.Struct("!BBHHH")
    _REQUEST, _REPLY = 8, 0

    def __init__(self, host: str) -> None:
        super().__init__(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        self._host = host
        self._ident = os.getpid() & 0xFFFF

    def send(self, number: int) -> None:
        """Send request `number`."""
        checksum = _checksum(self._HEADER.pack(self._REQUEST, 0, 0, self._ident, number) + _PAYLOAD)
        packet = self._HEADER.pack(self._REQUEST, 0, checksum, self._ident, number) + _PAYLOAD
        self._socket.sendto(packet, (self._host, 0))

    def receive(self) -> list[tuple[int, int]]:
        """Return the answers that have come: number, receive stamp."""
        answers = []
        for packet, received_ns in self.read():
            header = packet[(packet[0] & 0x0F) * 4 :][: self._HEADER.size]
            kind, _, _, ident, number = self._HEADER.unpack(header)
            if kind == self._REPLY and ident == self._ident:
                answers.append((number, received_ns))
        return answers


class _TcpEcho(_Socket):
    """Messages of eight bytes to a TCP echo."""

    _NUMBER = struct.Struct("!Q")

    def __init__(self, address: tuple[str, int]) -> None:
        connected = socket.create_connection(address)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(connected)
        self._rest = b""

    def send(self, number: int) -> None:
        """Send message `number`."""
        self._socket.sendall(self._NUMBER.pack(number))

    def receive(self) -> list[tuple[int, int]]:
        """Return the messages that are back: number, receive stamp of the read that completed them."""
        answers = []
        for data, received_ns in self.read():
            self._rest += data
            whole = len(self._rest) - len(self._rest) % self._NUMBER.size
            answers += [(number, received_ns) for (number,) in self._NUMBER.iter_unpack(self._rest[:whole])]
            self._rest = self._rest[whole:]
        return answers


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes; a one's complement sum is modulo 2^16 - 1."""
    total: int = sum(word for (word,) in struct.iter_unpack("!H", data))
    return 0xFFFF - total % 0xFFFF
