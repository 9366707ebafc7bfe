"""Every transport that one uvicorn can serve, on one port and over the same rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute, Route, WebSocketRoute

from core.hub import Hub
from transports.app import create_app
from transports.base import Transport, TransportInfo
from transports.lifespan import LazyApp
from transports.longpoll import LongPollTransport
from transports.socketio import SocketIoTransport
from transports.sse import SseTransport
from transports.websocket import WebSocketTransport

_MEMBERS: Final[tuple[Transport, ...]] = (
    WebSocketTransport(), SseTransport(), LongPollTransport(), SocketIoTransport(),
)  # fmt: skip


class AllTransports:
    """WebSocket, SSE, polling and Socket.IO side by side; a poll that does not wait is a short poll."""

    info = TransportInfo(
        "all", "uvicorn", duplex=True, resumes_by="as each transport does",
        parts=tuple(member.info.name for member in _MEMBERS),
    )  # fmt: skip

    def routes(self, hub: Hub) -> Sequence[BaseRoute]:
        """Their routes, each path once: the upstream half is common to the HTTP transports."""
        unique: dict[tuple[type, str], BaseRoute] = {}
        for member in _MEMBERS:
            for route in member.routes(hub):
                assert isinstance(route, Route | WebSocketRoute)
                unique.setdefault((type(route), route.path), route)
        return list(unique.values())


app = LazyApp(lambda: create_app("all"))
