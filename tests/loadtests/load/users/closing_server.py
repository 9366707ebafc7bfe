"""A foreign server that ends a connection after each answer, for real; a thread for each connection.

It listens on one port: GET /in/ROOM streams events, GET /lp/ROOM is a long poll, POST /out/ROOM publishes. What was
sent behind an answered request is not looked at.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ANNOUNCED = "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {size}\r\nEtag: {etag}\r\n\r\n"
OLD = "HTTP/1.0 {status} X\r\nEtag: {etag}\r\n\r\n"  # the body ends with the connection, and nobody says so
SILENT = "HTTP/1.1 {status} X\r\nContent-Length: {size}\r\nEtag: {etag}\r\n\r\n"


class ClosingServer:
    """One room; `connections` counts those that carried a POST."""

    def __init__(self, head: str) -> None:
        self.connections = 0
        self._head = head
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._published: list[bytes] = []
        self._news = threading.Condition()
        self._closing = False

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Take connections until closed."""
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._converse, args=(peer,), daemon=True).start()

    def close(self) -> None:
        """Take none any more, and let the threads end."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _converse(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as read, suppress(OSError):
            request = read.readline()
            lines: list[bytes] = []
            while (line := read.readline()) not in (b"\r\n", b""):  # a spare connection may end without a request
                lines.append(line)
            headers = b"".join(lines)
            if request.startswith(b"POST"):
                size = re.search(rb"Content-Length: (\d+)", headers)
                self._post(peer, read.read(int(size[1]) if size else 0))
            elif b"/lp/" in request:
                seen = re.search(rb"If-None-Match: (\d+)", headers)
                self._poll(peer, int(seen[1]) if seen else None)
            elif b"/in/" in request:
                self._stream(peer)
            else:
                self._answer(peer, b"here")

    def _answer(self, peer: socket.socket, body: bytes, etag: int = 0) -> None:
        head = self._head.format(status=200, size=len(body), etag=etag)
        peer.sendall(head.encode() + body)
        peer.shutdown(socket.SHUT_WR)

    def _post(self, peer: socket.socket, body: bytes) -> None:
        with self._news:
            self.connections += 1
            self._published.append(body)
            self._news.notify_all()
        self._answer(peer, b"taken")

    def _poll(self, peer: socket.socket, seen: int | None) -> None:
        news, etag = self._since(len(self._published) if seen is None else seen)
        self._answer(peer, b"\n".join(news), etag)

    def _since(self, sent: int) -> tuple[list[bytes], int]:
        """Wait for more than `sent` messages; return those, and how many there are."""
        with self._news:
            self._news.wait_for(lambda: self._closing or len(self._published) > sent)
            return self._published[sent:], len(self._published)

    def _stream(self, peer: socket.socket) -> None:
        sent = len(self._published)
        peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while not self._closing:
            news, sent = self._since(sent)
            peer.sendall(b"".join(b"data: " + body + b"\n\n" for body in news))


@contextmanager
def closing_server(head: str) -> Iterator[ClosingServer]:
    """Run one in a thread."""
    server = ClosingServer(head)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(10)
