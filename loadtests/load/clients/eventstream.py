"""The event-stream format (WHATWG HTML, section 9.2): bytes in, events with their wire sizes out."""

from __future__ import annotations

from loadtests.load.clients.base import ProtocolError

MAX_EVENT_BYTES = 1_048_576
_BOM = b"\xef\xbb\xbf"


class EventStreamParser:
    """Lines may end in LF, CRLF or CR; an event is given out with its blank line's first line-end byte.

    The LF of a CRLF that ended an event is counted with the next one: a parser that waited for it could block on a
    server that ends its lines with CR. Comments and blocks without data are counted in no event.
    """

    __slots__ = ("_data", "_line", "_skip_lf", "_started", "_wire_bytes", "last_id", "retry_ms")

    def __init__(self) -> None:
        self._line = b""  # an unfinished line
        self._data: list[bytes] = []
        self._skip_lf = False
        self._started = False
        self._wire_bytes = 0
        self.last_id = ""
        self.retry_ms = 0

    def feed(self, data: bytes, overhead: int = 0) -> list[tuple[bytes, int]]:
        """Take stream bytes, and the count of framing bytes that came before them.

        Returns each event that was completed: its data, which is UTF-8, and all bytes that it took. Names are ignored:
        the events of the contract carry their type inside.
        """
        self._wire_bytes += overhead
        events: list[tuple[bytes, int]] = []
        position, end = 0, len(data)
        next_cr = data.find(b"\r")
        while position < end:
            if self._skip_lf:
                self._skip_lf = False
                if data[position] == 0x0A:
                    position += 1
                    self._wire_bytes += 1
                    continue
            stop = data.find(b"\n", position)
            if -1 < next_cr < position:
                next_cr = data.find(b"\r", position)
            if next_cr >= 0 and (stop < 0 or next_cr < stop):
                stop = next_cr
                self._skip_lf = True
            if stop < 0:
                self._keep(data[position:])
                break
            line = data[position:stop]
            self._wire_bytes += stop + 1 - position
            position = stop + 1
            if self._line:
                line, self._line = self._line + line, b""
            if line:
                self._field(line)
            else:
                self._dispatch(events)
        return events

    def _keep(self, part: bytes) -> None:
        self._line += part
        self._wire_bytes += len(part)
        if self._wire_bytes > MAX_EVENT_BYTES:
            raise ProtocolError(f"an event over {MAX_EVENT_BYTES} bytes")

    def _field(self, line: bytes) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
        elif name == b"id":
            if b"\0" not in value:
                self.last_id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():
            self.retry_ms = int(value)

    def _dispatch(self, events: list[tuple[bytes, int]]) -> None:
        self._started = True
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append((data, self._wire_bytes))
            self._data = []
        self._wire_bytes = 0
