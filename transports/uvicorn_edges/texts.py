"""Text messages read without websockets' parser, which is a chain of generators and an object for each frame.

Most clients send each message as one final, masked, uncompressed frame (RFC 6455, section 5.2), and most reads are
whole frames. Every other frame, and whatever is wrong with one, is for websockets to judge.
"""

from __future__ import annotations

from typing import Any, Final

from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.streams import StreamReader

_TEXT: Final = 0x81  # final, no reserved bit, a text
_MASKED: Final = 0x80
_AT_EOF: Final = StreamReader.at_eof.__code__


def is_between_messages(conn: ServerProtocol) -> bool:
    """Whether the parser of an open connection has no part of a frame, nor of a message of several."""
    waits_in: Any = conn.parser
    while waits_in.gi_yieldfrom is not None:
        waits_in = waits_in.gi_yieldfrom
    return waits_in.gi_code is _AT_EOF and conn.current_size is None and conn.state is State.OPEN


def text_at(data: bytes, begin: int, max_bytes: int) -> tuple[bytes, int] | None:
    """The text of the frame that begins there, UTF-8 or not, and where that ends; None: websockets has to judge."""
    if len(data) < begin + 6 or data[begin] != _TEXT:
        return None
    size, mask = data[begin + 1] ^ _MASKED, begin + 2
    if size == 126:
        size, mask = data[mask] << 8 | data[mask + 1], begin + 4
    elif size > 126:  # a longer one, or it is not masked
        return None
    payload = mask + 4
    end = payload + size
    if size > max_bytes or end > len(data):
        return None
    return apply_mask(data[payload:end], data[mask:payload]), end
