"""Clients of servers that are not ours: an adapter says what to send; the same parsers, no contract.

A foreign server has no `epoch:offset`. A message's place is made from the publisher's own count, which is the order of
the room as long as one publisher speaks there on one connection; acknowledgement and delivery give it the same id.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from loadtests.load.clients import stamp
from loadtests.load.clients.base import Access, Arrival, Client, Closed, Event
from loadtests.load.clients.http import Answer, AnswerParser, Head
from loadtests.load.clients.polls import LongPollClient, shared
from loadtests.load.clients.publish import PublishClient
from loadtests.load.clients.sse import SseClient
from loadtests.load.clients.websocket import BINARY, TEXT, WebSocketClient, build_frame
from loadtests.records.adapter import LONGPOLL, SSE, Adapter, filled

_STAMPED = re.compile(rb"T\d+\.\d+\.\d+\.\d+\.[0-9a-f]+\.x*")
_NO_NEWS = frozenset({204, 304, 408})


def client(adapter: Adapter, access: Access, since: str = "") -> Client:
    """Make a client that listens by the adapter's protocol."""
    if adapter.protocol == SSE:
        return ForeignSseClient(adapter, access, since)
    if adapter.protocol == LONGPOLL:
        return ForeignPollClient(adapter, access, since)
    return ForeignWebSocketClient(adapter, access, since)


def message_id(message: int) -> str:
    """The id of a publisher's message, counted from 0."""
    return f"foreign:{message + 1}"


class Companion(Event):
    """A message that came in one frame, event or answer with the message before it: one stamp is right for both."""


def found(data: bytes) -> list[Event]:
    """Return the lab's messages in one frame, event or answer, in their order, each once.

    A server may send the content twice, as text and as HTML perhaps, or cut one of the two: the longest is taken. What
    comes twice in different frames is a duplicate.
    """
    contents: dict[stamp.Stamp, str] = {}
    for match in _STAMPED.finditer(data):
        content = match[0].decode("ascii")
        stamped = stamp.read(content)
        if stamped is not None:
            contents[stamped] = max(content, contents.get(stamped, ""), key=len)
    return [
        (Companion if place else Event)(type="chat", id=message_id(stamped[1]), content=content)
        for place, (stamped, content) in enumerate(contents.items())
    ]


def frames_in(arrivals: Sequence[Arrival]) -> int:
    """Return in how many frames the arrivals of one read came, as `base.batch_size` counts events."""
    return sum(not isinstance(event, Companion) for event, _ in arrivals)


class AdaptedClient(Client):
    """Mixed into a client of the contract: what it sends is what the adapter says."""

    def __init__(self, adapter: Adapter, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._adapter = adapter

    def _fill(self, template: str) -> str:
        return filled(template, room=self.access.room, token=self.access.token)

    def _request(self, line: str, headers: dict[str, str], further: str, body: bytes = b"") -> bytes:
        """Build a request of `line`, e.g. "GET /path"; `further` are whole header lines, each ended by CRLF."""
        lines = "".join(f"{name}: {self._fill(value)}\r\n" for name, value in headers.items())
        head = f"{self._fill(line)} HTTP/1.1\r\nHost: {self.access.endpoint.authority}\r\n{lines}{further}\r\n"
        return head.encode("latin-1") + body

    def _get(self, path: str, further: str = "") -> bytes:
        return self._request(f"GET {path}", self._adapter.subscribe.headers, further)

    def _body(self, content: str) -> bytes:
        publish = self._adapter.publish
        return filled(publish.body, room=self.access.room, token=self.access.token, content=content).encode()


class ForeignWebSocketClient(AdaptedClient, WebSocketClient):
    """Welcome once the handshake is over; messages may be text or binary, and hold any number of the lab's."""

    def opening(self) -> bytes:
        """The upgrade request."""
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\n"
        )
        return self._get(self._adapter.subscribe.path, upgrade)

    def publish(self, content: str, ref: str) -> bytes:
        """Build the frame of one message; nothing answers it."""
        return build_frame(TEXT, self._body(content))

    def _send_hello(self) -> None:
        self.welcomed = True
        first = self._adapter.subscribe.first_message
        if first:
            self.outgoing += build_frame(TEXT, self._fill(first).encode())

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the messages completed by them. Raises ProtocolError."""
        if self._handshake is not None:
            data = self._shake_hands(data)
        arrivals: list[Arrival] = []
        for opcode, payload, wire_bytes in self._parser.feed(data) if self._handshake is None else ():
            if opcode in (TEXT, BINARY):
                arrivals += shared(found(payload), wire_bytes)
            else:
                self._control(opcode, payload)
            if self.closed is not None:
                break
        return arrivals


class ForeignSseClient(AdaptedClient, SseClient):
    """Welcome once the stream's head is there; resumes by the last event's id, as an EventSource does."""

    def opening(self) -> bytes:
        """The GET that opens the stream."""
        resume = f"Last-Event-ID: {self.position}\r\n" if self.position else ""
        return self._get(self._adapter.subscribe.path, resume)

    def _take(self, data: bytes, wire_bytes: int, arrivals: list[Arrival]) -> None:
        self.position = self._parser.last_id
        arrivals += shared(found(data), wire_bytes)

    def _accept(self, head: Head) -> None:
        super()._accept(head)
        self.welcomed = True


class ForeignPollClient(AdaptedClient, LongPollClient):
    """Proves the connection by a request that is answered at once, then polls; the place is in the answers' headers.

    Of a server that closes after an answer `successor` is the client of the next connection, which polls at once.
    """

    def __init__(self, adapter: Adapter, access: Access, since: str = "") -> None:
        super().__init__(adapter, access, since)
        self._ends_by_design = False

    @property
    def successor(self) -> ForeignPollClient | None:
        """The client that goes on where the server ended the connection with an answer, as it announced."""
        if not self._ends_by_design:
            return None
        client = ForeignPollClient(self._adapter, self.access, self.position)
        client.welcomed = True
        return client

    def _take(self, answer: Answer) -> list[Arrival]:
        arrivals: list[Arrival] = []
        if not self.welcomed:
            self.welcomed = True
        elif answer.head.status not in _NO_NEWS:
            arrivals = super()._take(answer)
        if self.closed is None and answer.head.closes:
            self._ends_by_design = True
            self.closed = Closed(0, "connection closed after an answer")
        return arrivals

    def _read(self, answer: Answer) -> list[Arrival]:
        headers = answer.head.headers
        resume = self._adapter.subscribe.resume_headers.items()
        self.position = "".join(
            f"{name}: {headers[source].decode('latin-1')}\r\n"
            for name, source in ((name, source.lower().encode()) for name, source in resume)
            if source in headers
        )
        return shared(found(answer.body), answer.wire_bytes)

    def _poll(self, wait_s: float) -> bytes:
        self.waiting = True
        subscribe = self._adapter.subscribe
        if not self.welcomed:
            return self._get(subscribe.probe_path)
        return self._get(subscribe.path, self.position)


class ForeignPublishClient(AdaptedClient, PublishClient):
    """POSTs to a foreign server, pipelined on one connection; any 2xx is an acknowledgement."""

    def __init__(self, adapter: Adapter, access: Access) -> None:
        super().__init__(adapter, access)
        self._answers = AnswerParser(bodies=False)
        self._contents: deque[str] = deque()  # of POSTs on their way
        self._announced = False  # the end of the connection, by an answer
        self.answered = 0

    def take_back(self) -> list[tuple[str, str]]:
        """Return content and ref of the POSTs that the server has announced not to take, and forget them.

        Behind an answer that closes its connection a server processes nothing (RFC 9112 section 9.6). Of a connection
        that ended unannounced it is unknown what was taken: those POSTs stay unanswered.
        """
        if not self._announced:
            return []
        untaken = list(zip(self._contents, self._refs, strict=True))
        self._contents.clear()
        self._refs.clear()
        return untaken

    def publish(self, content: str, ref: str) -> bytes:
        """Build one POST."""
        self._refs.append(ref)
        self._contents.append(content)
        body, publish = self._body(content), self._adapter.publish
        return self._request(f"POST {publish.path}", publish.headers, f"Content-Length: {len(body)}\r\n", body)

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return one `ack` or `error` per answer, none behind one that closes."""
        arrivals: list[Arrival] = []
        for answer in self._answers.feed(data):
            arrivals.append((self._read(answer), answer.wire_bytes))
            self._announced = self.closed is not None
            if self._announced:
                break
        return arrivals

    def _said(self, answer: Answer, ref: str) -> Event:
        self.answered += 1
        self._contents.popleft()
        sent = stamp.read_ref(ref)
        if 200 <= answer.head.status < 300 and sent is not None:
            return Event(type="ack", id=message_id(sent[1]), ref=ref)
        return Event(type="error", code=str(answer.head.status), ref=ref)
