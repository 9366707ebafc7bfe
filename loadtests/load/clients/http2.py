"""HTTP/2 as the clients need it (RFC 9113), on h2's state machine: bytes in, h2's events out; and publishing by POST.

Each POST is a stream of its own; answers come in any order, and none is waited for.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.events import Event as Http2Event
from h2.exceptions import ProtocolError as H2Error
from h2.settings import SettingCodes, Settings

from loadtests.load.clients.base import Access, Arrival, Client, Closed, ProtocolError, read_answer
from loadtests.load.clients.http import MAX_HEAD_BYTES

FRAME_HEAD_BYTES = 9
_WINDOW_BYTES = 1 << 24  # of the connection: bursts must meet a reader's limits, never the window's
_STREAMS = 100  # that the server may have open at a time
_FORGET_EVERY = 64  # reads


class Http2Client(Client):
    """A connection of one user. Subclasses say what they ask for and what they make of the answers."""

    __slots__ = ("_h2", "_reads")

    alpn: ClassVar[str] = "h2"
    takes_pushes: ClassVar[bool] = False

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._reads = 0

    def ask(self) -> None:
        """Begin the request that opens the conversation; none of a client that publishes."""

    def opening(self) -> bytes:
        """The preface, the settings, how much may come at once, and what the client asks for."""
        settings = {
            SettingCodes.ENABLE_PUSH: int(self.takes_pushes),
            SettingCodes.MAX_CONCURRENT_STREAMS: _STREAMS,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
        }
        self._h2.local_settings = Settings(client=True, initial_values=settings)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW_BYTES)
        self.ask()
        return self._h2.data_to_send()

    def request(
        self, method: bytes, path: str, headers: list[tuple[bytes, bytes]] | None = None, *, ends: bool = True
    ) -> int:
        """Begin an authorised request; returns its stream's id."""
        stream_id = self._h2.get_next_available_stream_id()
        head = [
            (b":method", method),
            (b":path", path.encode()),
            (b":scheme", b"https"),
            (b":authority", self.access.endpoint.authority.encode()),
            (b"authorization", f"Bearer {self.access.token}".encode()),
            *(headers or ()),
        ]
        self._h2.send_headers(stream_id, head, end_stream=ends)
        return stream_id

    def post(self, content: str, ref: str) -> int:
        """Begin and end the POST of one message; returns its stream's id."""
        body = msgspec.json.encode({"content": content, "ref": ref})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        stream_id = self.request(b"POST", f"/rooms/{self.access.room}/messages", headers, ends=False)
        self._h2.send_data(stream_id, body, end_stream=True)
        return stream_id

    def receive(self, data: bytes) -> list[Http2Event]:
        """Take bytes; return what they say, with the connection's own affairs dealt with. Raises ProtocolError."""
        try:
            events = self._h2.receive_data(data)
        except H2Error as error:
            raise ProtocolError(f"HTTP/2: {error}") from error
        for event in events:
            if isinstance(event, DataReceived):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, ConnectionTerminated) and self.closed is None:
                self.closed = Closed(0, f"the server ended the connection ({_named(event.error_code)})")
        self._reads += 1
        if self._reads % _FORGET_EVERY == 0:
            # h2 forgets closed streams when it counts the open ones; nothing else here makes it count.
            _ = self._h2.open_inbound_streams
        self.outgoing += self._h2.data_to_send()
        return events


def _named(code: ErrorCodes | int | None) -> str:
    return code.name if isinstance(code, ErrorCodes) else f"error code {code}"


def status_of(headers: list[tuple[bytes, bytes]]) -> int:
    """The status of a response's head. Raises ProtocolError where there is none."""
    value = dict(headers).get(b":status", b"")
    if not value.isdigit():
        raise ProtocolError(f"not a status: {value!r}")
    return int(value)


class FrameSizes:
    """Bytes of frames by stream, heads included; those of a promise count to the stream that is promised."""

    __slots__ = ("_rest", "_sizes", "_skip")

    def __init__(self) -> None:
        self._rest = b""  # an unfinished head
        self._skip = 0  # what is left of a frame's payload
        self._sizes: dict[int, int] = {}

    def feed(self, data: bytes) -> None:
        """Take bytes of the connection, as they come."""
        data = self._rest + data
        position, end = self._skip, len(data)
        while end - position >= FRAME_HEAD_BYTES:
            length = int.from_bytes(data[position : position + 3], "big")
            kind, flags = data[position + 3], data[position + 4]
            stream_id = int.from_bytes(data[position + 5 : position + 9], "big") & 0x7FFFFFFF
            if kind == _PUSH_PROMISE:
                start = position + FRAME_HEAD_BYTES + bool(flags & _PADDED)
                if end < start + 4:
                    break
                stream_id = int.from_bytes(data[start : start + 4], "big") & 0x7FFFFFFF
            self._sizes[stream_id] = self._sizes.get(stream_id, 0) + FRAME_HEAD_BYTES + length
            position += FRAME_HEAD_BYTES + length
        self._rest, self._skip = data[position:], max(0, position - end)

    def take(self, stream_id: int) -> int:
        """Take what a stream's frames came to."""
        return self._sizes.pop(stream_id, 0)


_PUSH_PROMISE, _PADDED = 0x5, 0x8


class Http2PublishClient(Http2Client):
    """Gives every answer out as an event: `ack` for a 202, `error` for anything else, always with its ref."""

    __slots__ = ("_answers", "_sizes")

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._answers: dict[int, tuple[str, int, bytes]] = {}  # ref, status, body so far; by stream
        self._sizes = FrameSizes()
        self.welcomed = True  # there is nothing to wait for before the first POST

    @property
    def unanswered(self) -> int:
        """POSTs on their way."""
        return len(self._answers)

    def publish(self, content: str, ref: str) -> bytes:
        """Build one POST."""
        self._answers[self.post(content, ref)] = ref, 0, b""
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
                    arrivals.append((read_answer(ref, status, body), self._sizes.take(event.stream_id)))
        return arrivals


def _answers(event: StreamEnded | StreamReset, status: int) -> bool:
    """Whether a stream's end says what became of the message: a reset does so only as REFUSED_STREAM (RFC 9113 8.7)."""
    return bool(status) or (isinstance(event, StreamReset) and event.error_code == ErrorCodes.REFUSED_STREAM)
