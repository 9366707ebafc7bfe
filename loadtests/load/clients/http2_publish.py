"""Publishing by POST on one HTTP/2 connection: a stream each, answered in any order, none waited for."""

from __future__ import annotations

import msgspec
from h2.errors import ErrorCodes
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset

from loadtests.load.clients.events import Arrival, Event, decode_event
from loadtests.load.clients.http import Access
from loadtests.load.clients.http2 import FrameSizes, Http2Client, status_of


class Http2PublishClient(Http2Client):
    """Gives every answer out as an event: `ack` for a 202, `error` for anything else, always with its ref."""

    __slots__ = ("_answers", "_sizes")

    label = "POST2"

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._answers: dict[int, tuple[str, int, bytes]] = {}  # ref, status, body so far; by stream
        self._sizes = FrameSizes()
        self.welcomed = True  # there is nothing to wait for before the first POST

    @property
    def unanswered(self) -> int:
        """POSTs on their way."""
        return len(self._answers)

    def opening(self) -> bytes:
        """The preface and the settings."""
        self.connect()
        return self._h2.data_to_send()

    def publish(self, content: str, ref: str) -> bytes:
        """Build one POST."""
        body = msgspec.json.encode({"content": content, "ref": ref})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        stream_id = self.request(b"POST", f"/rooms/{self.access.room}/messages", headers, ends=False)
        self._h2.send_data(stream_id, body, end_stream=True)
        self._answers[stream_id] = ref, 0, b""
        return self._h2.data_to_send()

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return one `ack` or `error` per answer. Raises ProtocolError."""
        self._sizes.feed(data)
        arrivals: list[Arrival] = []
        for event in self.receive(data):
            if isinstance(event, ResponseReceived | DataReceived | StreamEnded | StreamReset):
                ref, status, body = self._answers.get(event.stream_id, ("", 0, b""))
                if isinstance(event, ResponseReceived):
                    self._answers[event.stream_id] = ref, status_of(event.headers), body
                elif isinstance(event, DataReceived):
                    self._answers[event.stream_id] = ref, status, body + event.data
                elif self._answers.pop(event.stream_id, None) is not None and _answers(event, status):
                    arrivals.append((_read(ref, status, body), self._sizes.take(event.stream_id)))
        return arrivals


def _answers(event: StreamEnded | StreamReset, status: int) -> bool:
    """Whether a stream's end says what became of the message: a reset does so only as REFUSED_STREAM (RFC 9113 8.7)."""
    return bool(status) or (isinstance(event, StreamReset) and event.error_code == ErrorCodes.REFUSED_STREAM)


def _read(ref: str, status: int, body: bytes) -> Event:
    if status == 202:
        return Event(type="ack", id=decode_event(body).id, ref=ref)
    code = decode_event(body).code if body[:1] == b"{" else ""
    return Event(type="error", code=code or str(status or "reset"), ref=ref)
