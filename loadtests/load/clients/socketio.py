"""The Socket.IO client: protocol 5 on Engine.IO 4, straight on a WebSocket, default namespace, nothing binary.

https://socket.io/docs/v4/socket-io-protocol/ and https://socket.io/docs/v4/engine-io-protocol/. The first character of
a message is Engine.IO's packet type, the second of a message packet Socket.IO's.
"""

from __future__ import annotations

import msgspec

from loadtests.load.clients.base import Access, Closed, Event, ProtocolError, decode_event
from loadtests.load.clients.websocket import TEXT, WebSocketClient, build_frame

_OPEN, _CLOSE, _PING, _NOOP = b"0", b"1", b"2", b"6"
_PONG = b"3"
_CONNECT, _DISCONNECT, _EVENT, _ACK, _CONNECT_ERROR = b"40", b"41", b"42", b"43", b"44"
_ROOM_EVENT = b'42["event",'

_CLOSE_CODES = {"bad_request": 4400, "unauthorized": 4401, "forbidden": 4403, "not_found": 4404}
"""Refusals that another attempt would meet again, as a WebSocket would be closed for them."""


class _Refusal(msgspec.Struct):
    message: str = ""
    data: Event = msgspec.field(default_factory=Event)


_REFUSAL = msgspec.json.Decoder(_Refusal)


class SocketIoClient(WebSocketClient):
    """Duplex: an acknowledgement comes as the answer to the id that the publication carried."""

    __slots__ = ("_published",)

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._published = 0

    def publish(self, content: str, ref: str) -> bytes:
        """Build the frame of one `chat`; its answer arrives as an `ack` or `error` event with the same ref."""
        self._published += 1
        command = msgspec.json.encode(["chat", {"content": content, "ref": ref}])
        return build_frame(TEXT, b"%b%d%b" % (_EVENT, self._published, command))

    def leave(self) -> bytes:
        """Build the frame that leaves the namespace, and so the room."""
        return build_frame(TEXT, _DISCONNECT)

    def _path(self) -> str:
        return "/socket.io/?EIO=4&transport=websocket"

    def _send_hello(self) -> None:
        """Nothing: the server opens, and the handshake's `auth` answers it."""

    def _read(self, payload: bytes) -> Event | None:
        if payload.startswith(_ROOM_EVENT):
            return decode_event(payload[len(_ROOM_EVENT) : -1])
        kind = payload[:1]
        if kind == b"4":
            return self._read_packet(payload)
        if kind == _PING:
            self.outgoing += build_frame(TEXT, _PONG)
        elif kind == _OPEN:
            auth = {"token": self.access.token, "room": self.access.room}
            if self.position:
                auth["since"] = self.position
            self.outgoing += build_frame(TEXT, _CONNECT + msgspec.json.encode(auth))
        elif kind == _CLOSE:
            self.closed = Closed(0, "connection ended by the server")
        elif kind != _NOOP:
            raise ProtocolError(f"not an Engine.IO packet of a server: {payload[:100]!r}")
        return None

    def _read_packet(self, payload: bytes) -> Event | None:
        kind = payload[:2]
        if kind == _CONNECT:
            return None  # the welcome follows as an event
        if kind == _ACK:
            return decode_event(payload[payload.find(b"[") + 1 : -1])
        if kind == _DISCONNECT:
            self.closed = Closed(4400, "disconnected by the server")
            return None
        if kind == _CONNECT_ERROR:
            return self._refused(payload[2:])
        raise ProtocolError(f"not a Socket.IO packet of the contract: {payload[:100]!r}")

    def _refused(self, raw: bytes) -> Event:
        try:
            refusal = _REFUSAL.decode(raw)
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"not a refusal: {raw[:100]!r} ({error})") from error
        self.closed = Closed(_CLOSE_CODES.get(refusal.data.code, 0), refusal.message)
        return refusal.data
