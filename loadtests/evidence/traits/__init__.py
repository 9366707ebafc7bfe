"""What one connection of a transport can do, tried out on running servers: yes or no, nothing about speed.

Two questions: can a client send on the connection on which it receives, and does the transport pass a proxy while its
events are news. The lab's own clients ask, over plain blocking sockets, and publish on that same connection. Over
HTTP/2 the load clients only receive; here they publish too, by POSTs on further streams of their connection. No Locust
here.
"""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

import msgspec
from h2 import events as h2_events

from core.catalogue import Record, records, resolve
from loadtests.load.clients.base import Access, Client, ClientError, Endpoint, Event
from loadtests.load.clients.http import build_post
from loadtests.load.clients.http2 import Http2Client
from loadtests.load.clients.http2_push import Http2PushClient
from loadtests.load.clients.http2_sse import Http2SseClient
from loadtests.load.clients.publish import PublishClient
from loadtests.load.clients.tls import TlsPipe, client_context
from loadtests.load.clients.websocket import WebSocketClient
from loadtests.run.servers import HOST

_CONNECT_S = 5.0
_READ_BYTES = 65_536


class Upstream(Http2Client):
    """Mixed into a receiving client. It keeps the answers to its POSTs from the half that receives."""

    __slots__ = ()

    def publish(self, content: str, ref: str) -> bytes:
        """Build one POST on the same connection."""
        self.post(content, ref)
        return self._h2.data_to_send()

    def receive(self, data: bytes) -> list[h2_events.Event]:
        """Take bytes; return what they say of the first stream and of those that the server began."""
        return [event for event in super().receive(data) if not _is_later_request(getattr(event, "stream_id", None))]


class DuplexPushClient(Upstream, Http2PushClient):
    """HTTP/2 push, publishing beside it."""

    __slots__ = ()


class DuplexSseClient(Upstream, Http2SseClient):
    """SSE over HTTP/2, publishing beside it."""

    __slots__ = ()


def _is_later_request(stream_id: int | None) -> bool:
    # A client's streams have odd numbers, the first one is 1 (RFC 9113 section 5.1.1).
    return stream_id is not None and stream_id > 1 and stream_id % 2 == 1


@dataclass(frozen=True, slots=True)
class WireClient:
    """One transport. `publish(client, content, ref)` builds what is sent on its connection."""

    transport: str
    client: Callable[[Access], Client]
    publish: Callable[[Client, str, str], bytes]
    alpn: str = ""  # what it speaks over TLS; empty: no TLS

    def tls(self) -> TlsPipe | None:
        """TLS for a new connection to this machine, where the transport needs it."""
        return TlsPipe(client_context(HOST, self.alpn), HOST, self.alpn) if self.alpn else None


class Wire:
    """A connected client: send something, then listen for an event until it comes or time is over.

    Raises OSError and ClientError as they come; leaving the context closes the connection.
    """

    def __init__(self, client: Client, port: int, tls: TlsPipe | None = None) -> None:
        """Connect to a port of this machine and send the client's opening."""
        self.client = client
        self._tls = tls
        self._socket = socket.create_connection((HOST, port), _CONNECT_S)
        self.send(client.opening())

    def send(self, data: bytes) -> None:
        """Send what the client built."""
        self._socket.sendall(data if self._tls is None else self._tls.send(data))

    def receives(self, wanted: Callable[[Event], bool], within_s: float) -> bool:
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


def _own(client: Client, content: str, ref: str) -> bytes:
    assert isinstance(client, WebSocketClient | Upstream)
    return client.publish(content, ref)


def _post(client: Client, content: str, ref: str) -> bytes:
    return build_post(client.access, "/messages", msgspec.json.encode({"content": content, "ref": ref}))


def _of(record: Record) -> WireClient:
    client = resolve(record.load.speaker or record.load.client)
    own = record.duplex or record.load.speaker is not None
    return WireClient(record.name, client, _own if own else _post, alpn=client.alpn if record.tls else "")


_ASKED = [record for record in records().values() if record.model != "short poll"]
"""Between two questions a short poll's connection waits for nothing."""

WIRE_CLIENTS = tuple(_of(record) for record in _ASKED if not record.tls)
"""What `all` serves."""

MULTIPLEXED = tuple(_of(record) for record in _ASKED if record.tls)
"""On HTTP/2, each with a server of its own."""

PATIENCE_S = 2.0
"""What has not come by then is held back: on one machine an event takes milliseconds."""

_refs = itertools.count(1)


class Passage(StrEnum):
    """What became of a transport behind a proxy."""

    PASSES = "passes"
    HELD_BACK = "held back"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ProbedServer:
    """A server's port on this machine and a token for every room."""

    port: int
    token: str

    def access(self, room: str, port: int | None = None) -> Access:
        """The way into a room, by another port where one is given."""
        return Access(Endpoint(HOST, port or self.port), room, self.token)


def duplex(wire_client: WireClient, server: ProbedServer, patience_s: float = PATIENCE_S) -> bool:
    """Tell whether a message that is sent on a listening connection comes back on it while it stays open."""
    room, ref = f"duplex-{wire_client.transport}", f"t{next(_refs)}"
    client = wire_client.client(server.access(room))
    try:
        with Wire(client, server.port, wire_client.tls()) as wire:
            if not wire.joins(patience_s):
                return False
            wire.send(wire_client.publish(client, "on the same connection", ref))
            return wire.receives(lambda event: event.type == "chat" and event.ref == ref, patience_s)
    except (ClientError, OSError):
        return False


def passage(wire_client: WireClient, server: ProbedServer, proxy_port: int, patience_s: float = PATIENCE_S) -> Passage:
    """Join through a proxy, publish past it, and tell whether the event comes through while it is news."""
    room, ref = f"proxy-{wire_client.transport}-{proxy_port}", f"t{next(_refs)}"
    client = wire_client.client(server.access(room, proxy_port))
    try:
        with Wire(client, proxy_port) as wire:
            if not wire.joins(patience_s):
                return Passage.REFUSED if client.closed is not None else Passage.HELD_BACK
            _published(server, room, ref, patience_s)
            came = wire.receives(lambda event: event.type == "chat" and event.ref == ref, patience_s)
            return Passage.PASSES if came else Passage.HELD_BACK
    except (ClientError, OSError):
        return Passage.REFUSED


def _published(server: ProbedServer, room: str, ref: str, patience_s: float) -> None:
    publisher = PublishClient(server.access(room))
    with Wire(publisher, server.port) as wire:
        wire.send(publisher.publish("past the proxy", ref))
        wire.receives(lambda event: event.ref == ref, patience_s)
