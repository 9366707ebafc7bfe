"""One client on a blocking socket: say something, then listen for an event until it comes or time is over."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from loadtests.load.clients.base import Client, Event
from loadtests.load.clients.tls import TlsPipe

_CONNECT_S = 5.0
_READ_BYTES = 65_536


class Wire:
    """A connected client. Raises OSError and ClientError as they come; leaving the context closes the connection."""

    def __init__(self, client: Client, port: int, tls: TlsPipe | None = None) -> None:
        """Connect to a port of this machine and send the client's opening."""
        self.client = client
        self._tls = tls
        self._socket = socket.create_connection(("127.0.0.1", port), _CONNECT_S)
        self.send(client.opening())

    def send(self, data: bytes) -> None:
        """Send what the client built."""
        self._socket.sendall(data if self._tls is None else self._tls.send(data))

    def hears(self, wanted: Callable[[Event], bool], within_s: float) -> bool:
        """Listen until an event is as wanted; False when time is over or the connection has ended."""
        return self._listen(lambda events: any(map(wanted, events)), within_s)

    def joins(self, within_s: float) -> bool:
        """Listen until the client is welcome; False when time is over or the connection has ended."""
        return self._listen(lambda events: self.client.welcomed, within_s)

    def _listen(self, done: Callable[[list[Event]], bool], within_s: float) -> bool:
        deadline_s = time.monotonic() + within_s
        while (left_s := deadline_s - time.monotonic()) > 0 and self.client.closed is None:
            self._socket.settimeout(left_s)
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                return False
            if not data:
                self.client.finish()
            events = [event for event, _ in self.client.feed(self._plain(data))]
            if outgoing := self.client.take_outgoing():
                self.send(outgoing)
            if done(events):
                return True
        return False

    def _plain(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        plain = self._tls.receive(data)
        if outgoing := self._tls.take_outgoing():
            self._socket.sendall(outgoing)
        return plain

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
