"""Every transport that one uvicorn can serve, on one port and over the same rooms."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route, WebSocketRoute

from core.hub import Hub
from transports import registry
from transports.app import create_app
from transports.base import FastPath
from transports.lifespan import LazyApp


class AllTransports:
    """WebSocket, SSE, polling and the others side by side; a poll that does not wait is a short poll."""

    def routes(self, hub: Hub, fast: FastPath | None = None) -> Sequence[BaseRoute]:
        """Their routes, each path once: the upstream half is common to the HTTP transports."""
        unique: dict[tuple[type, str], BaseRoute] = {}
        for name in registry.parts("all"):
            for route in registry.load(name).routes(hub, fast):
                assert isinstance(route, Route | WebSocketRoute)
                unique.setdefault((type(route), route.path), route)
        return list(unique.values())


app = LazyApp(lambda: create_app("all"))
