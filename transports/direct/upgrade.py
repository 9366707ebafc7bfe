"""An upgrade to WebSocket whose request httptools has parsed, without a second parser (RFC 6455, section 4.2).

uvicorn writes the request out again for websockets, which parses it a line at a time in Python and answers by objects.
Most upgrades ask for a WebSocket and nothing else. Whatever asks for more, or is not as it should be, is for websockets
to judge.
"""

from __future__ import annotations

import logging
from typing import Any, Final
from urllib.parse import unquote

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected, get_client_addr, get_path_with_query_string
from websockets.protocol import State
from websockets.utils import accept_key

from transports.uvicorn_edges.bounds import CONNECTION
from transports.uvicorn_edges.websocket import LabWebSocketProtocol

_CONNECTION: Final = frozenset((b"upgrade", b"keep-alive, upgrade"))  # Firefox sends the second
_ASKS_MORE: Final = frozenset((b"content-length", b"transfer-encoding", b"sec-websocket-protocol"))
_RESPONSE: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n%b\r\n"
)


def plain_key(asked: HttpToolsProtocol) -> bytes | None:
    """The Sec-WebSocket-Key of an upgrade for which `asks_for_websocket` holds, if it asks for nothing else; None:
    websockets is to judge.
    """
    names = [name for name, _ in asked.headers]
    fields = dict(asked.headers)
    plain = (
        asked.url.startswith(b"/")
        and asked.url.isascii()
        and names.count(b"connection") == 1
        and fields[b"connection"].lower() in _CONNECTION
        and names.count(b"origin") < 2
        and fields.keys().isdisjoint(_ASKS_MORE)
        and not (asked.config.ws_per_message_deflate and b"sec-websocket-extensions" in fields)
    )
    return fields[b"sec-websocket-key"] if plain else None


class UpgradedProtocol(LabWebSocketProtocol):
    """Can begin with a request that was parsed already."""

    _accept: bytes | None = None  # the answer to its key, until it is given

    def upgrade(self, asked: HttpToolsProtocol, key: bytes) -> None:
        """Go on with a connection whose request `plain_key` has looked at; who calls this runs the app."""
        self.connections.add(self)
        self.transport = asked.transport
        self.server, self.client = asked.server, asked.client
        self.scheme = "wss" if asked.scheme == "https" else "ws"
        raw_path, _, query_string = asked.url.partition(b"?")
        self.scope: Any = {
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": self.root_path,
            "path": self.root_path + unquote(raw_path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": query_string,
            "headers": asked.headers,
            "subprotocols": [],
            "state": self.app_state.copy(),
            "extensions": {"websocket.http.response": {}, CONNECTION: {"protocol": self}},
        }
        self._accept = accept_key(key.decode()).encode()
        self.handshake_initiated = True
        self.conn.state = State.OPEN
        self.conn.parser = self.conn.parse()  # of frames: the one that waits for a request is left
        next(self.conn.parser)
        self.queue.put_nowait({"type": "websocket.connect"})

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's, but the handshake is ours."""
        refused = self.broken or self.close_sent or self.initial_response is not None
        if message["type"] != "websocket.accept" or self._accept is None or refused:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected:
            raise ClientDisconnected
        accept, self._accept = self._accept, None
        if self.logger.isEnabledFor(logging.INFO):
            where = get_path_with_query_string(self.scope)
            self.logger.info('%s - "WebSocket %s" [accepted]', get_client_addr(self.scope), where)
        headers = [*self.default_headers, *message.get("headers", ())]
        subprotocol = message.get("subprotocol")
        if subprotocol:
            headers.append((b"sec-websocket-protocol", subprotocol.encode("latin-1")))
        if not self.transport.is_closing():
            self.handshake_complete = True
            self._look_again()
            fields = b"".join(b"%b: %b\r\n" % field for field in headers)
            self.transport.write(_RESPONSE % (accept, fields))
            self.start_keepalive()
