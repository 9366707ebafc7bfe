"""The WebSocket that uvicorn is given: bounds that it leaves out, and the access to the connection for the app.

websockets answers every ping, and reads a plain text by the same steps as any frame.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Coroutine
from typing import Any, Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.http11 import Request, Response
from websockets.protocol import State

from core.model import FrameKind, Position
from core.writer import SENT, Turns
from transports.uvicorn_edges.bounds import CONNECTION
from transports.uvicorn_edges.inbox import Inbox
from transports.uvicorn_edges.texts import is_between_messages, text_at

CONTROL_FRAMES_PER_S: Final = 100
FRAGMENTS: Final = 1024
_SLICE_BYTES: Final = 4096
_UNSENT_BYTES: Final = 65_536  # that wait for a turn's end, at the most
_CLOSE_S: Final = 2.0
_TEXT: Final = 0x81  # final, a text
_OPEN: Final = State.OPEN  # an attribute of an enumeration costs as much as a call
_HEAD: Final = struct.Struct("!BB").pack
_HEAD_2: Final = struct.Struct("!BBH").pack
_HEAD_8: Final = struct.Struct("!BBQ").pack
# A text and its frame: all members are sent the same. Not an attribute of the class: to set one makes the interpreter
# forget what it knows of the attributes of all its objects.
_last: Final[list[tuple[str, bytes]]] = [("", b"\x81\x00")]


def text_frame(data: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes:
    """A whole text frame, unmasked (RFC 6455, section 5.2). A `Framing` too: an event says its position itself."""
    size = len(data)
    if size < 126:
        return _HEAD(_TEXT, size) + data
    if size < 65_536:
        return _HEAD_2(_TEXT, 126, size) + data
    return _HEAD_8(_TEXT, 127, size) + data


class LabWebSocketProtocol(WebSocketsSansIOProtocol):
    """RFC 6455 that says why it closes, and answers so many pings a second, no more than the peer reads."""

    queue: Inbox  # type: ignore[assignment]
    request: Request | None  # type: ignore[assignment]
    response: Response | None  # type: ignore[assignment]
    broken = False  # the protocol itself sent the close frame
    _answering = False  # the app has received a message, and has not asked for the next one
    _unsent: list[bytes] | None = None  # what it says to that until this turn of the event loop ends: it is one write
    _unsent_bytes = 0
    _full = False  # the transport takes no more
    _unheard = False  # what follows in this read is behind a text that is not UTF-8, and before the peer's close
    _plain = False  # a text can be written as it is: see `_look_again`
    _between = False  # the connection is open, and what the parser has been given ended with a message
    _control_frames = 0
    _counted_since_s = 0.0

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], **options: Any) -> None:
        super().__init__(config, server_state, app_state, **options)
        self.queue = Inbox()
        # Of a server and not of an app, which may outlive a loop that is closed in the middle of a turn.
        self._turns: Turns = vars(server_state).setdefault("turns", Turns())

    def data_received(self, data: bytes) -> None:
        """Take plain texts as they are, and a lot of all else in slices: what is in one slice can be refused before the
        next is parsed.
        """
        begin = 0
        self._between = self._between or is_between_messages(self.conn)
        if self._between:
            while self._between and (found := text_at(data, begin, self.config.ws_max_size)) is not None:
                text, begin = found
                self._take_text(text)
                if begin == len(data):
                    return
        rest = data[begin:]
        self._between = self._plain = False  # as far as is known
        self._flush()  # what the parser answers comes after it
        try:
            for start in range(0, len(rest), _SLICE_BYTES):
                if start and (self.broken or self.transport.is_closing()):
                    return
                super().data_received(rest[start : start + _SLICE_BYTES])
        finally:
            self._look_again()

    def handle_connect(self, event: Request) -> None:
        """As uvicorn's; the app gets to know its connection."""
        super().handle_connect(event)
        if self.response is not None and self.response.status_code == 101:
            self.scope["extensions"] = {**(self.scope["extensions"] or {}), CONNECTION: {"protocol": self}}

    async def run_asgi(self) -> None:
        """As uvicorn's, but to refuse the handshake, or to be cancelled by a shutdown, is no error of the app."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except asyncio.CancelledError:
            raise  # the graceful shutdown ran out of time: nothing to report
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
        else:
            if not self.handshake_complete and self.initial_response is None:  # else it was refused
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        self._app_ended()

    def _app_ended(self) -> None:
        self._flush()
        if self.close_timer is None:
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Take a whole message from the parser."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent or self._unheard:
            return
        if self.curr_msg_data_type == "text":
            self._take_text(bytes(data))
        else:
            self._receive(None, data)

    def _take_text(self, data: bytes) -> None:
        """Refuse text that is not UTF-8 with 1007 and no traceback: it is the client's fault, not ours."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            if self.conn.state is _OPEN:
                self.conn.send_close(1007)
                self.handle_parser_exception()
            else:  # the peer's close frame has come with it, and is answered next
                self._unheard = True
        else:
            self._receive(text, data)

    def _receive(self, text: str | None, data: bytes) -> None:
        """Give a message to the app; its text is None when it is binary. Reading stops when a second one waits.

        uvicorn stops it at each, until the app has that: two calls of the kernel for a message that is taken at once.
        """
        queue = self.queue
        if text is None:
            queue.put_nowait({"type": "websocket.receive", "bytes": data})
        else:
            queue.put_nowait({"type": "websocket.receive", "text": text})
        if not self.read_paused and len(queue.messages) > 1:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_parser_exception(self) -> None:
        """Send the close frame and wait: closing at once, with bytes unread, would be a reset that overtakes it."""
        if self.close_sent:
            return
        assert self.conn.close_sent is not None
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": self.conn.close_sent.code, "reason": self.conn.close_sent.reason}
        )
        self.broken = True
        self.close_soon(_CLOSE_S)
        if self.transport.can_write_eof():
            self.transport.write_eof()  # the peer need not wait for us to see its answer

    def close_soon(self, within_s: float) -> None:
        """Write the close frame that `conn` has ready, and cut the connection off if that does not end it in time."""
        self.stop_keepalive()
        self._flush()
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._look_again()
        self.transport.resume_reading()  # the peer's own close frame may stand behind what was not read yet
        self.read_paused = False
        self.close_timer = self.loop.call_later(within_s, self.transport.abort)

    def shutdown(self) -> None:
        """As uvicorn's, unless the peer has closed, which takes a while over TLS: none may follow its close."""
        self._flush()
        if self.handshake_complete and not self.close_sent and self.conn.state is not State.OPEN:
            self.stop_keepalive()
            self.transport.close()
        else:
            super().shutdown()
            self._look_again()

    def keepalive_timeout(self) -> None:
        """As uvicorn's; what the app still sends has no receiver."""
        self._flush()
        super().keepalive_timeout()
        self.broken = self.close_sent
        self._look_again()

    def send(self, message: ASGISendEvent) -> Coroutine[Any, Any, None]:
        """As uvicorn's, but an open connection's text goes out at once, and not by the parser's way to write it."""
        text = message.get("text")
        if type(text) is not str or not self._plain or message["type"] != "websocket.send":
            return self._send(message)
        last = _last[0]
        if text is not last[0]:
            last = _last[0] = text, text_frame(text.encode())
        if self._answering or self._unsent is not None:
            self._hold(last[1])
        else:
            self.transport.write(last[1])
        return SENT

    async def _send(self, message: ASGISendEvent) -> None:
        """As uvicorn's, but an app that has not received the protocol's close yet has done nothing wrong."""
        if self.broken:
            raise ClientDisconnected
        self._flush()
        try:
            await super().send(message)
        finally:
            self._look_again()
        request: Request | None = getattr(self, "request", None)
        if self.handshake_complete and request is not None:  # kibibytes that nobody reads any more
            request.headers.clear()  # its parser keeps the request
            self.request = self.response = None

    async def receive(self) -> ASGIReceiveEvent:
        """As uvicorn's. What the app says to a message in the same turn is one write: an ack and its event, mostly."""
        self._answering = False
        queue = self.queue
        while not queue.messages:
            if self._unsent is not None:  # all that it says to the last one: the turn's end has nothing left to do
                self._turns.forget(self._flush)
                self._flush()
            await queue.news()
        message = queue.messages.pop(0)
        self._answering = True
        if self.read_paused and not queue.messages:
            self.read_paused = False
            self.transport.resume_reading()
        return message

    def pause_writing(self) -> None:
        """As uvicorn's."""
        self._full = True
        self._plain = False
        super().pause_writing()

    def resume_writing(self) -> None:
        """As uvicorn's."""
        self._full = False
        self._look_again()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._plain = False
        super().connection_lost(exc)

    def _look_again(self) -> None:
        """Find out anew whether texts may be read and written as they are, after what may have changed it."""
        is_open = self.conn.state is _OPEN
        self._between = self._between and is_open
        hindered = self.disconnected or self.broken or self._full or self.conn.extensions
        self._plain = is_open and self.handshake_complete and not hindered

    def _hold(self, data: bytes) -> None:
        if self._unsent is None:
            self._unsent, self._unsent_bytes = [], 0
            self._turns.at_end(self._flush)
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        if self._unsent_bytes > _UNSENT_BYTES:  # an app that sends without end: now it finds out whether it may
            self._flush()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, None
        if unsent is not None and not self.transport.is_closing():
            self.transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def handle_ping(self) -> None:
        """Answer, unless the answers pile up: a peer that reads none needs none (section 5.5.3)."""
        if self._admit_control_frame():
            answer = b"".join(self.conn.data_to_send())
            if self.writable.is_set() and not self.close_sent:
                self.transport.write(answer)

    def handle_pong(self, event: Frame) -> None:
        """As uvicorn's, so many a second."""
        if self._admit_control_frame():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """As uvicorn's, so many to a message: empty ones would never reach its size limit."""
        if len(self.frames) >= FRAGMENTS:
            self._break(1008, f"more than {FRAGMENTS} fragments")
        else:
            super().handle_cont(event)

    def _admit_control_frame(self) -> bool:
        now_s = self.loop.time()
        if now_s - self._counted_since_s >= 1.0:
            self._counted_since_s, self._control_frames = now_s, 0
        self._control_frames += 1
        if self._control_frames > CONTROL_FRAMES_PER_S:
            self._break(1008, f"more than {CONTROL_FRAMES_PER_S} pings or pongs a second")
        return self._control_frames <= CONTROL_FRAMES_PER_S

    def _break(self, code: int, reason: str) -> None:
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()
