"""Each transport's client on one blocking socket, with the bytes that publish on that same connection.

Over HTTP/2 the load clients only receive; here they publish too, by POSTs on further streams of their connection.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
from h2 import events as h2_events

from core.catalogue import Record, records, resolve
from loadtests.load.clients.base import Access, Client, Event
from loadtests.load.clients.http import build_post
from loadtests.load.clients.http2 import Http2Client
from loadtests.load.clients.http2_push import Http2PushClient
from loadtests.load.clients.http2_sse import Http2SseClient
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
        body = msgspec.json.encode({"content": content, "ref": ref})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        stream_id = self.request(b"POST", f"/rooms/{self.access.room}/messages", headers, ends=False)
        self._h2.send_data(stream_id, body, end_stream=True)
        return self._h2.data_to_send()

    def receive(self, data: bytes) -> list[h2_events.Event]:
        """Take bytes; return what they say of the first stream and of those that the server began."""
        # A client's streams have odd numbers, the first one is 1 (RFC 9113 section 5.1.1).
        return [event for event in super().receive(data) if not _is_later_request(getattr(event, "stream_id", None))]


class DuplexPushClient(Upstream, Http2PushClient):
    """HTTP/2 push, publishing beside it."""

    __slots__ = ()


class DuplexSseClient(Upstream, Http2SseClient):
    """SSE over HTTP/2, publishing beside it."""

    __slots__ = ()


def _is_later_request(stream_id: int | None) -> bool:
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
    """A connected client: say something, then listen for an event until it comes or time is over.

    Raises OSError and ClientError as they come; leaving the context closes the connection.
    """

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
