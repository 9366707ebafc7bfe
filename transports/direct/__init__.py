"""The direct sink: frames built once per event and written straight to uvicorn's transports.

An endpoint accepts, authorises and returns as any Starlette endpoint does; then the protocol object that uvicorn put
behind the connection takes over, and no task is left per connection. A WebSocket, whose token is in its first message,
is taken over as soon as it is accepted. Where another server hosts the app, or the connection needs work of its own
(permessage-deflate, HTTP/1.0), there is no extension in the scope and the portable sink serves it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from transports.direct.protocols import DirectHttpProtocol, DirectWebSocketProtocol
from transports.uvicorn_edges.bounds import CONNECTION


def direct_websocket(scope: Scope, fanout: str) -> DirectWebSocketProtocol | None:
    """The protocol behind a WebSocket that can be written to directly, if there is one."""
    protocol = _extension(scope, fanout)
    return protocol if isinstance(protocol, DirectWebSocketProtocol) and not protocol.conn.extensions else None


def direct_http(scope: Scope, fanout: str) -> DirectHttpProtocol | None:
    """The protocol behind an HTTP/1.1 request that can be written to directly, if there is one."""
    protocol = _extension(scope, fanout)
    return protocol if isinstance(protocol, DirectHttpProtocol) and protocol.can_hand_over(scope) else None


def raw(response: Response, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole HTTP/1.1 response, as uvicorn would write it; its `server_state` has the default headers."""
    lines = [b"%b: %b\r\n" % header for header in (*default_headers, *response.raw_headers)]
    return b"".join((STATUS_LINE[response.status_code], *lines, b"\r\n", response.body))


def _extension(scope: Scope, fanout: str) -> Any:
    offered = scope.get("extensions", {}).get(CONNECTION, {}) if fanout == "direct" else {}
    return offered.get("protocol")
