"""One streamed GET over HTTP/1.1, decoded from its chunks; publishing goes by POST elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from loadtests.load.clients.base import Access, Arrival, Client, Closed, ProtocolError, decode_event
from loadtests.load.clients.http import ChunkDecoder, Head, split_head


class StreamClient(Client):
    """Receives only. A subclass says how it asks, and finds the events in the stream's bytes."""

    __slots__ = ("_chunks", "_head")

    media_type: ClassVar[bytes]

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._head: bytes | None = b""  # None once it is read
        self._chunks: ChunkDecoder | None = None  # None: the body ends with the connection

    def parse(self, payload: bytes, overhead: int) -> Iterable[tuple[bytes, int]]:
        """Return each event that was completed: its JSON, and its bytes on the wire. Raises ProtocolError.

        `overhead` counts the framing bytes that came before `payload`.
        """
        raise NotImplementedError

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        if self._head is not None:
            data = self._read_head(self._head + data)
        if not data:
            return []
        arrivals: list[Arrival] = []
        chunks = self._chunks
        for payload, overhead in chunks.feed(data) if chunks is not None else ((data, 0),):
            for event_data, wire_bytes in self.parse(payload, overhead):
                self._take(event_data, wire_bytes, arrivals)
        if chunks is not None and chunks.done:
            self.closed = Closed(0, "stream ended by the server")
        return arrivals

    def _take(self, data: bytes, wire_bytes: int, arrivals: list[Arrival]) -> None:
        """Read one event of the stream. Raises ProtocolError."""
        event = decode_event(data)
        self.follow(event)
        arrivals.append((event, wire_bytes))

    def _read_head(self, received: bytes) -> bytes:
        """Take all that has come so far; return the stream's bytes in it."""
        head = split_head(received)
        self._head = received if head is None else None
        if head is None:
            return b""
        if head.status != 200:
            self.closed = Closed(head.status, "stream refused")
            self.retry_ms = head.retry_after_ms
            return b""
        self._accept(head)
        return received[head.size :]

    def _accept(self, head: Head) -> None:
        content_type = head.headers.get(b"content-type", b"")
        if not content_type.startswith(self.media_type):
            raise ProtocolError(f"Content-Type {content_type!r}; expected {self.media_type.decode()}")
        if b"content-encoding" in head.headers:
            raise ProtocolError("the stream is compressed, which was not asked for")
        self._chunks = ChunkDecoder() if head.chunked else None
