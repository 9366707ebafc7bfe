"""What becomes of messages that the kernel has no room for."""

from __future__ import annotations

import random
import socket

import pytest

from loadtests.load.clients.base import Endpoint
from loadtests.load.clients.sockets import RealtimeOffset
from loadtests.load.storm.comeback import Window
from loadtests.load.storm.loop import READ, Loop
from loadtests.load.storm.member import Shared
from loadtests.load.storm.publisher import Publisher

_ACK = b'{"type":"ack","id":"e:1","ref":"0-0"}'
_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%b" % (len(_ACK), _ACK)


def test_what_a_full_socket_does_not_take_leaves_later(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop()
    shared = Shared(loop, RealtimeOffset(), {}, Window(loop, 0.0, random.Random(1)))
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    monkeypatch.setattr("loadtests.load.storm.publisher.socket.create_connection", lambda *_: ours)
    monkeypatch.setattr("loadtests.load.storm.publisher.socket.IPPROTO_TCP", socket.SOL_SOCKET)
    monkeypatch.setattr("loadtests.load.storm.publisher.socket.TCP_NODELAY", socket.SO_KEEPALIVE)
    publisher = Publisher(shared, Endpoint("127.0.0.1", 1), "token", ["r"], 500.0)
    received = b""

    def answer(_: int) -> None:
        nonlocal received
        before = received.count(b"POST ")
        received += theirs.recv(65_536)
        theirs.sendall(_ANSWER * (received.count(b"POST ") - before))

    try:
        publisher.start()
        assert loop.run(lambda: publisher.sent >= 100, 5, lambda: None)
        publisher.stop()
        loop.watch(theirs.fileno(), answer, READ)
        assert loop.run(lambda: not publisher.unanswered, 5, lambda: None)
        assert received.count(b"POST ") == publisher.sent
    finally:
        publisher.close()
        theirs.close()
        loop.close()
