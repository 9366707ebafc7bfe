"""The WebSocket client with compression (RFC 7692, permessage-deflate): takes compressed messages, sends plain ones."""

from __future__ import annotations

import zlib

from loadtests.load.clients.base import Access, ProtocolError
from loadtests.load.clients.websocket import MAX_MESSAGE_BYTES, TEXT, FrameParser, Message, WebSocketClient

_FIN, _RSV1 = 0x80, 0x40
_TAIL = b"\x00\x00\xff\xff"  # what a sender leaves out, section 7.2.1
_NAME = b"permessage-deflate"
_KNOWN = (
    b"server_no_context_takeover",
    b"client_no_context_takeover",
    b"server_max_window_bits",
    b"client_max_window_bits",
)


class InflatingParser(FrameParser):
    """Frames whose text messages may be compressed; a compressed one must be a single frame."""

    __slots__ = ("_inflater", "keeps_context")

    def __init__(self) -> None:
        super().__init__()
        self.keeps_context = True  # from message to message
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def _uncommon(self, first: int, payload: bytes, wire_bytes: int) -> Message | None:
        if first != _FIN | _RSV1 | TEXT or self._opcode:
            return super()._uncommon(first, payload, wire_bytes)
        try:
            text = self._inflater.decompress(payload + _TAIL, MAX_MESSAGE_BYTES)
        except zlib.error as error:
            raise ProtocolError(f"a message that can't be inflated: {error}") from error
        if self._inflater.unconsumed_tail:
            raise ProtocolError(f"a message over {MAX_MESSAGE_BYTES} bytes")
        if not self.keeps_context:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return Message(TEXT, text, wire_bytes)


class DeflateWebSocketClient(WebSocketClient):
    """Offers compression; a server that does not agree is listened to as ever."""

    __slots__ = ()

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._parser = InflatingParser()

    def _offer(self) -> str:
        return "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

    def _agree(self, extensions: bytes | None) -> None:
        if extensions is None:
            return
        name, *parameters = (part.strip() for part in extensions.split(b";"))
        unknown = [each for each in parameters if each.partition(b"=")[0] not in _KNOWN]
        if name != _NAME or unknown:
            raise ProtocolError(f"the server agreed on {extensions!r}; permessage-deflate was offered")
        assert isinstance(self._parser, InflatingParser)
        self._parser.keeps_context = b"server_no_context_takeover" not in parameters
