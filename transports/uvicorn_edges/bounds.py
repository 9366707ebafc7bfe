"""What a peer may keep of a server whose bytes it does not read: time, memory, and in the end its connection."""

from __future__ import annotations

import asyncio
import math
import select
import socket
from typing import Any, Final

from starlette.types import Scope

CONNECTION: Final = "rtlab.connection"
"""The extension of an ASGI scope that has the server's `protocol` of its connection, with `transport` and `loop`."""
KEPT: Final = "kept"
"""Beside the protocol: what an app keeps for the requests of a connection that differ in nothing but their query."""
AGAIN: Final = "again"
"""Among that: who answers those requests in the app's place, an `uvicorn_edges.again.Again`."""

CUT_OFF_S: Final = 5.0  # for a peer that was given up to read what is left
_MIN_USER_TIMEOUT_S: Final = 1.0
_UNSENT_BYTES: Final = 131_072


def limit_unacknowledged(connection: socket.socket, heartbeat_s: float | None) -> None:
    """Let the kernel end a connection whose peer acknowledges nothing, or reads nothing, for a heartbeat's time; and
    let it take no more than so much that it cannot send: by itself it takes megabytes for a peer that does not read.

    Without the first what was written to a peer that vanished is sent again for a quarter of an hour (tcp(7),
    TCP_USER_TIMEOUT). Something is written, or asked, at least once a heartbeat, so such a peer is gone after two.
    Set on a listening socket it holds for all that are accepted, at no cost to each.
    """
    user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has both
    if user_timeout is not None and heartbeat_s is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        timeout_ms = int(max(heartbeat_s, _MIN_USER_TIMEOUT_S) * 1000)
        if connection.getsockopt(socket.IPPROTO_TCP, user_timeout) == timeout_ms:
            return  # it has come by a listening socket that had it all
        connection.setsockopt(socket.IPPROTO_TCP, user_timeout, timeout_ms)
        # A held poll is silent both ways: the kernel asks after one heartbeat whether the peer is there.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, math.ceil(timeout_ms / 1000))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, timeout_ms // 4000))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)


def holds_bytes(transport: asyncio.WriteTransport) -> bool:
    """Whether what was written waits for the peer to read.

    A TLS transport counts only what waits before it. The plain one below it has bytes only while its socket takes none.
    """
    if getattr(transport, "_ssl_protocol", transport) is None:
        return False  # asyncio's that was closed twice, as uvicorn closes one that was lost: it can't be asked any more
    if transport.get_write_buffer_size():
        return True
    connection = transport.get_extra_info("socket")
    if transport.get_extra_info("sslcontext") is None or connection is None or connection.fileno() < 0:
        return False  # plain, or it has gone
    takes_some = select.poll()
    takes_some.register(connection.fileno(), select.POLLOUT)
    return not takes_some.poll(0)


def connection_of(scope: Scope) -> Any:
    """The server's protocol object behind a request or WebSocket; None where the server offers none."""
    return (scope.get("extensions") or {}).get(CONNECTION, {}).get("protocol")


def kept_for_alike(scope: Scope) -> dict[Any, Any] | None:
    """What an app keeps for the requests of a connection that differ in nothing but their query; None: no such one."""
    return (scope.get("extensions") or {}).get(CONNECTION, {}).get(KEPT)  # type: ignore[no-any-return]


def has_come_whole(scope: Scope) -> bool:
    """Whether a request's body is there, so that nobody has to wait for it; False also where that is not known."""
    cycle = getattr(connection_of(scope), "cycle", None)
    return cycle is not None and cycle.scope is scope and not cycle.more_body


def cut_off_later(scope: Scope) -> None:
    """End the connection of a request soon, for a subscriber that was given up, if what it was sent still waits."""
    protocol = connection_of(scope)
    if protocol is None:
        return  # another server: its own timeouts apply

    def cut_off() -> None:
        if holds_bytes(protocol.transport):
            protocol.transport.abort()

    protocol.loop.call_later(CUT_OFF_S, cut_off)
