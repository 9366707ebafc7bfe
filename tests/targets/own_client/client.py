"""Receivers and a publisher on plain sockets, in one thread."""

from __future__ import annotations

import base64
import os
import re
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing

from tests.targets.own_client.speech import FORM, MARK, Speech, frame, request

RECEIVERS, PER_S, PAYLOAD_BYTES = 50, 10, 128  # as in targets.toml
WARM_UP_S, MEASURED_S = 0.7, 2.0
_JOINED_S = 0.5  # who joined is said to all
_TURNS = 30  # without a message, for what is on its way
_ID = re.compile(rb'"id": "([^"]+)"')
_LENGTH = re.compile(rb"(?i)content-length: *([0-9]+)")
_XSRF = re.compile(rb"(?i)set-cookie: _xsrf=([^;]+)")


class Failed(Exception):
    """The server did something else than its program says; the message says what."""


class Connection:
    """One connection; of a server with forms it visits the page first, as a browser does."""

    def __init__(self, port: int, speech: Speech, *, listens: bool = True) -> None:
        self._speech = speech
        self._polls = speech.polls and listens
        self._cursor = self._answer = b""
        self.bytes = self.deliveries = 0
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._token = self._visited() if speech.polls else b""
        if listens:
            self._join()
        self.socket.setblocking(False)

    def close(self) -> None:
        """Close without a word."""
        self.socket.close()

    def read(self) -> None:
        """Count what has come; poll again where an answer is whole."""
        data = self.socket.recv(65_536)
        self.bytes += len(data)
        self.deliveries += data.count(self._speech.sign)
        if self._polls:
            self._answer += data
            head, _, body = self._answer.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if length is not None and len(body) == int(length[1]):
                self._cursor, self._answer = (_ID.findall(body) or [self._cursor])[-1], b""
                self._poll()

    def publish(self, content: bytes) -> None:
        """Send one message."""
        speech = self._speech
        body = speech.body % content
        if speech.publish:
            self.socket.sendall(self._posted(speech.publish, body))
        else:
            self.socket.sendall(frame(body))

    def _join(self) -> None:
        if self._polls:
            self._poll()
            return
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = (
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        )
        headers = upgrade if self._speech.upgrade else "Accept: text/event-stream\r\n"
        self.socket.sendall(request("GET", self._speech.path, headers))
        self._head()
        for message in self._speech.said:
            self.socket.sendall(frame(message))
            came = b""
            while message == self._speech.said[0] and self._speech.answered not in came:
                came += self.socket.recv(4096)

    def _poll(self) -> None:
        self.socket.sendall(self._posted(self._speech.path, b"cursor=" + self._cursor, FORM))

    def _posted(self, path: str, body: bytes, kind: str = "") -> bytes:
        headers = f"Content-Type: {kind or self._speech.kind}\r\n"
        if self._token:
            body = b"_xsrf=" + self._token + b"&" + body
            headers += f"Cookie: _xsrf={self._token.decode()}\r\n"
        return request("POST", path, headers, body)

    def _visited(self) -> bytes:
        self.socket.sendall(request("GET", "/"))
        head = self._head()
        length, token = _LENGTH.search(head), _XSRF.search(head)
        if length is None or token is None:
            raise Failed(f"the page has no length or no token: {head!r}")
        left = int(length[1])
        while left:
            left -= len(self.socket.recv(left)) or left
        return token[1]

    def _head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise Failed(f"the server ended the connection after {head!r}")
            head += byte
        return head


def cpu_ns(pids: Sequence[int]) -> int:
    """Return the CPU time of processes so far, by the scheduler's clock of each."""
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)


def measured(port: int, pids: Sequence[int], speech: Speech) -> tuple[float, float]:
    """Return bytes received and microseconds of the server's CPU, both per delivery. Raises Failed, OSError."""
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        receivers = [stack.enter_context(closing(Connection(port, speech))) for _ in range(RECEIVERS)]
        publisher = stack.enter_context(closing(Connection(port, speech, listens=not speech.publish)))
        for each in (*receivers, publisher):
            selector.register(each.socket, selectors.EVENT_READ, each)
        _run(selector, time.monotonic() + _JOINED_S)
        _deliver(selector, receivers, publisher, WARM_UP_S)  # a runtime compiles what it runs first
        before = cpu_ns(pids), *_totals(receivers)
        _deliver(selector, receivers, publisher, MEASURED_S)
        used, received, deliveries = (
            after - at_first for after, at_first in zip((cpu_ns(pids), *_totals(receivers)), before, strict=True)
        )
    return received / deliveries, used / deliveries / 1e3


def _totals(receivers: list[Connection]) -> tuple[int, int]:
    return sum(each.bytes for each in receivers), sum(each.deliveries for each in receivers)


def _deliver(
    selector: selectors.BaseSelector, receivers: list[Connection], publisher: Connection, seconds: float
) -> None:
    """Publish for so long, and wait until everything has come to everybody."""
    begun, due = time.monotonic(), round(seconds * PER_S)
    wanted = _totals(receivers)[1] + due * RECEIVERS
    for sent in range(1, due + _TURNS):
        if sent <= due:
            publisher.publish((MARK + str(sent).encode()).ljust(PAYLOAD_BYTES, b"x"))
        elif _totals(receivers)[1] == wanted:
            return
        _run(selector, max(begun + sent / PER_S, time.monotonic() + 0.01))
    raise Failed(f"{wanted - _totals(receivers)[1]} of {due * RECEIVERS} deliveries are missing")


def _run(selector: selectors.BaseSelector, until: float) -> None:
    """Read until then."""
    while (left := until - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            key.data.read()
