"""An event-stream parser of our own (WHATWG HTML, section 9.2.6), to see what libraries hide.

Comments and `retry:` are kept. Only CR, LF and CRLF end a line: U+2028 and its kin are content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(slots=True)
class Block:
    """What came up to one blank line. `data` is None when the block held no data."""

    event: str = "message"
    data: str | None = None
    id: str | None = None
    retry_ms: int | None = None
    comments: list[str] = field(default_factory=list)


class EventStreamParser:
    """Bytes in, blocks out, whatever the split."""

    def __init__(self) -> None:
        self._rest = b""
        self._block = Block()
        self._touched = False

    def feed(self, data: bytes) -> list[Block]:
        """The blocks completed by `data`."""
        self._rest += data
        blocks: list[Block] = []
        while (match := _LINE_END.search(self._rest)) is not None:
            if match.group() == b"\r" and match.end() == len(self._rest):
                break  # may be the first half of CRLF
            line, self._rest = self._rest[: match.start()], self._rest[match.end() :]
            if line:
                self._take(line.decode("utf-8"))
            elif self._touched:
                blocks.append(self._block)
                self._block, self._touched = Block(), False
        return blocks

    def _take(self, line: str) -> None:
        self._touched = True
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "":
            self._block.comments.append(value)
        elif name == "data":
            self._block.data = value if self._block.data is None else f"{self._block.data}\n{value}"
        elif name == "event":
            self._block.event = value
        elif name == "id":
            self._block.id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._block.retry_ms = int(value)
        else:
            raise AssertionError(f"not a line of an event stream that the contract names: {line!r}")
