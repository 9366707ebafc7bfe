"""The Server-Sent Events client; publishing goes by POST elsewhere."""

from __future__ import annotations

from loadtests.load.clients.base import Access
from loadtests.load.clients.eventstream import EventStreamParser
from loadtests.load.clients.http import build_get
from loadtests.load.clients.stream import StreamClient


class SseClient(StreamClient):
    """Receives only. It resumes as an EventSource does, by `Last-Event-ID`."""

    __slots__ = ("_parser",)

    media_type = b"text/event-stream"

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._parser = EventStreamParser()

    def opening(self) -> bytes:
        """The GET that opens the stream."""
        resume = f"Last-Event-ID: {self.position}\r\n" if self.position else ""
        return build_get(self.access, "/events", f"Accept: text/event-stream\r\nCache-Control: no-store\r\n{resume}")

    def parse(self, payload: bytes, overhead: int) -> list[tuple[bytes, int]]:
        """See `StreamClient`."""
        events = self._parser.feed(payload, overhead)
        if self._parser.retry_ms:
            self.retry_ms = self._parser.retry_ms
        return events
