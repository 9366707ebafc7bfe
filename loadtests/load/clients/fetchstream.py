"""The client of the NDJSON stream: one event a line; publishing goes by POST elsewhere."""

from __future__ import annotations

from loadtests.load.clients.base import Access, split_lines
from loadtests.load.clients.http import build_get
from loadtests.load.clients.stream import StreamClient


class FetchStreamClient(StreamClient):
    """Receives only. It resumes by `?since=`."""

    __slots__ = ("_line", "_overhead")

    media_type = b"application/x-ndjson"

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._line = b""  # an unfinished line
        self._overhead = 0  # framing bytes of the line that is being read

    def opening(self) -> bytes:
        """The GET that opens the stream."""
        since = f"?since={self.position}" if self.position else ""
        return build_get(self.access, f"/stream{since}", "Accept: application/x-ndjson\r\nCache-Control: no-store\r\n")

    def parse(self, payload: bytes, overhead: int) -> list[tuple[bytes, int]]:
        """See `StreamClient`. An empty line, which says that the server lives, is no event."""
        self._overhead += overhead
        lines, self._line = split_lines(self._line, payload)
        events: list[tuple[bytes, int]] = []
        for line in lines:
            if line:
                events.append((line, self._overhead + len(line) + 1))
            self._overhead = 0
        return events
