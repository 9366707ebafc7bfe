"""Server-Sent Events over HTTP/2: the same format in DATA frames of one stream; POSTs go elsewhere."""

from __future__ import annotations

from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from loadtests.load.clients.base import Access, Arrival, Closed, ProtocolError, decode_event
from loadtests.load.clients.eventstream import EventStreamParser
from loadtests.load.clients.http2 import FRAME_HEAD_BYTES, Http2Client, status_of


class Http2SseClient(Http2Client):
    """Receives only. It resumes as an EventSource does, by `Last-Event-ID`."""

    __slots__ = ("_parser",)

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._parser = EventStreamParser()

    def ask(self) -> None:
        """Send the GET that opens the stream."""
        headers = [(b"accept", b"text/event-stream"), (b"cache-control", b"no-store")]
        if self.position:
            headers.append((b"last-event-id", self.position.encode()))
        self.request(b"GET", f"/rooms/{self.access.room}/events", headers)

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        arrivals: list[Arrival] = []
        for event in self.receive(data):
            if isinstance(event, DataReceived) and self.closed is None:
                padding = event.flow_controlled_length - len(event.data)
                for body, wire_bytes in self._parser.feed(event.data, FRAME_HEAD_BYTES + padding):
                    decoded = decode_event(body)
                    self.follow(decoded)
                    arrivals.append((decoded, wire_bytes))
            else:
                self._take(event)
        if self._parser.retry_ms:
            self.retry_ms = self._parser.retry_ms
        return arrivals

    def _take(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            status, content_type = status_of(event.headers), dict(event.headers).get(b"content-type", b"")
            if status != 200:
                self.closed = Closed(status, "stream refused")
            elif not content_type.startswith(b"text/event-stream"):
                raise ProtocolError(f"Content-Type {content_type!r}; expected text/event-stream")
        elif isinstance(event, StreamEnded | StreamReset):
            self.closed = self.closed or Closed(0, "stream ended by the server")
