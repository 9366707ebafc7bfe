"""uvicorn's protocol classes with the edges that the contract asks for. Nothing here knows of rooms.

They rely on uvicorn's inner names; `tests/transports/test_protocols.py` says which, and fails when one goes.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_LINGER_S: Final = 2.0


class LabWebSocketProtocol(WebSocketsSansIOProtocol):
    """Tells a peer that broke the protocol why, before the connection goes."""

    def send_receive_event_to_app(self) -> None:
        """Refuse text that is not UTF-8 with 1007 and no traceback: it is the client's fault, not ours."""
        if self.curr_msg_data_type == "text":
            self.frames = [b"".join(self.frames)]
            try:
                self.frames[0].decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Send the close frame and linger: closing at once, with bytes unread, would be a reset that overtakes it."""
        if self.close_sent:
            return
        assert self.conn.close_sent is not None
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": self.conn.close_sent.code, "reason": self.conn.close_sent.reason}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_LINGER_S, self.transport.close)


class LabHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 that hands upgrades to `LabWebSocketProtocol`."""
