"""The client of HTTP/2 server push: one GET, and on its stream a promise for each event; POSTs go elsewhere."""

from __future__ import annotations

from h2.events import DataReceived, Event, PushedStreamReceived, ResponseReceived, StreamEnded, StreamReset

from loadtests.load.clients.base import Access, Arrival, Closed, ProtocolError, decode_event, offset_of, split_lines
from loadtests.load.clients.http2 import FRAME_HEAD_BYTES, FrameSizes, Http2Client, status_of


class Http2PushClient(Http2Client):
    """Receives only. An event's bytes are those of its promise, its head and its body."""

    __slots__ = ("_bodies", "_line", "_paths", "_sizes", "_stream_id")

    takes_pushes = True

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._stream_id = 0
        self._line = b""  # an unfinished line of the stream itself
        self._paths: dict[int, str] = {}  # what was promised and has not come yet, by stream
        self._bodies: dict[int, bytes] = {}
        self._sizes = FrameSizes()

    def ask(self) -> None:
        """Send the GET that the promises come on."""
        since = f"?since={self.position}" if self.position else ""
        self._stream_id = self.request(b"GET", f"/rooms/{self.access.room}/push{since}")

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        self._sizes.feed(data)
        arrivals: list[Arrival] = []
        for event in self.receive(data):
            self._take(event, arrivals)
        return arrivals

    def _take(self, event: Event, arrivals: list[Arrival]) -> None:
        if isinstance(event, PushedStreamReceived):
            promised_id, headers = event.pushed_stream_id or 0, dict(event.headers or ())
            self._paths[promised_id] = headers.get(b":path", b"").decode("latin-1")
            self._bodies[promised_id] = b""
        elif isinstance(event, DataReceived):
            if event.stream_id == self._stream_id:
                self._say(event.data, arrivals)
            elif event.stream_id in self._bodies:
                self._bodies[event.stream_id] += event.data
        elif isinstance(event, ResponseReceived):
            self._check(event.stream_id, status_of(event.headers))
        elif isinstance(event, StreamEnded | StreamReset):
            if event.stream_id == self._stream_id:
                self.closed = self.closed or Closed(0, "stream ended by the server")
            elif isinstance(event, StreamEnded):
                arrivals.append(self._pushed(event.stream_id))
            else:  # the server took a promise back: what is missing it has to tell
                self._forget(event.stream_id)

    def _check(self, stream_id: int, status: int) -> None:
        if status == 200:
            return
        if stream_id != self._stream_id:
            raise ProtocolError(f"{self._paths.get(stream_id)} was promised and answered {status}")
        self.closed = Closed(status, "stream refused")

    def _say(self, data: bytes, arrivals: list[Arrival]) -> None:
        lines, self._line = split_lines(self._line, data)
        for line in filter(None, lines):  # an empty one says that the server lives
            event = decode_event(line)
            self.follow(event)
            arrivals.append((event, FRAME_HEAD_BYTES + len(line) + 1))

    def _pushed(self, stream_id: int) -> Arrival:
        path, body = self._paths[stream_id], self._bodies[stream_id]
        event = decode_event(body)
        if path != f"/rooms/{self.access.room}/pushed/{offset_of(event.id)}":
            raise ProtocolError(f"{path!r} was promised, and event {event.id!r} pushed")
        self.follow(event)
        return event, self._forget(stream_id)

    def _forget(self, stream_id: int) -> int:
        del self._paths[stream_id], self._bodies[stream_id]
        return self._sizes.take(stream_id)
