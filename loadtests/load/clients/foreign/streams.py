"""A foreign server's event stream: steps before it are requests, those on it wait for events."""

from __future__ import annotations

from loadtests.load.clients.base import Arrival
from loadtests.load.clients.foreign.adapted import AdaptedClient
from loadtests.load.clients.foreign.session import CAME
from loadtests.load.clients.http import Head, split_head
from loadtests.load.clients.polls import shared
from loadtests.load.clients.sse import SseClient

_LAST_EVENT_ID = "Last-Event-ID:"


class ForeignSseClient(AdaptedClient, SseClient):
    """Welcome once the stream's head and all that is expected is there; resumes by the last event's id, as browsers do.

    With `late_head` it is welcome once the stream was asked for: there is no sign of it before the first event.
    """

    def _subscription(self) -> bytes:
        self.welcomed = self._adapter.subscribe.late_head
        return self._subscribe_request()

    def _take(self, data: bytes, wire_bytes: int, arrivals: list[Arrival]) -> None:
        if self._parser.last_id:
            self.session.kept[_LAST_EVENT_ID] = self._parser.last_id.encode().decode("latin-1")
        arrivals += shared(self._news(data), wire_bytes)
        if not self.welcomed:
            self._script.came(data)
            self.welcomed = self._script.step is None

    def _read_head(self, received: bytes) -> bytes:
        head = split_head(received) if self.session.listener is not None else None
        if head is not None:
            self.session.show(CAME, head.raw if head.status == 200 else received)
        return super()._read_head(received)

    def _accept(self, head: Head) -> None:
        super()._accept(head)
        self.welcomed = self._script.step is None
