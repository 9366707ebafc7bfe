"""One user of a foreign server without Locust: a socket that waits, and the next one where an answer ends it."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence

from loadtests.load.clients.base import Client, Closed, Endpoint, Event, ProtocolError
from loadtests.load.clients.foreign import AdaptedClient
from loadtests.load.clients.tls import HTTP1, TlsPipe, client_context

_READ_BYTES = 65_536
_CONNECT_S = 5.0


class Line:
    """A client and its socket. `closed` of the client says why it ended. Raises OSError where it can't connect."""

    def __init__(self, client: AdaptedClient, verify: bool | str) -> None:
        """Connect, and send the client's opening."""
        self.client: AdaptedClient = client
        self._verify = verify
        self._connect()

    def fileno(self) -> int:
        """Return the socket's descriptor, for select."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Send what the client built."""
        if data:
            self._socket.sendall(self._tls.send(data) if self._tls is not None else data)

    def take(self) -> list[Event]:
        """Read what has come; go on over the next connection where the server ended this one by design."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except OSError as error:
            self.client.closed = Closed(0, f"receive failed: {error.strerror}")
            return []
        try:
            arrivals = self.client.feed(self._plain(data)) if data else self.client.finish()
            self.send(self.client.take_outgoing())
        except ProtocolError as error:
            self.client.closed = Closed(1002, str(error))
            return []
        except OSError:  # gone; what it sent last is read already
            arrivals = []
        successor = self.client.successor
        if successor is not None:
            self._socket.close()
            self.client = successor
            self._connect()
        return [event for event, _ in arrivals]

    def close(self) -> None:
        """Close without a word."""
        self._socket.close()

    def _connect(self) -> None:
        endpoint: Endpoint = self.client.access.endpoint
        self._socket = socket.create_connection((endpoint.host, endpoint.port), _CONNECT_S)
        context = client_context(endpoint.host, HTTP1, self._verify) if endpoint.secure else None
        self._tls = TlsPipe(context, endpoint.host, HTTP1) if context is not None else None
        self.send(self.client.opening())

    def _plain(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        plain = self._tls.receive(data)
        if outgoing := self._tls.take_outgoing():
            self._socket.sendall(outgoing)
        return plain


def listen(lines: Sequence[Line], done: Callable[[Client, Event | None], bool], within_s: float) -> bool:
    """Read all lines until `done`, asked with each event and after each read, says so; False when time is over.

    It ends early once a line is closed.
    """
    deadline_s = time.monotonic() + within_s
    while not any(line.client.closed for line in lines):
        if any(done(line.client, None) for line in lines):
            return True
        ready, _, _ = select.select(lines, [], [], max(0.0, deadline_s - time.monotonic()))
        if not ready:
            return False
        for line in ready:
            client = line.client
            looked = [done(client, event) for event in line.take()]  # at each of them
            if any(looked):
                return True
    return any(done(line.client, None) for line in lines)
