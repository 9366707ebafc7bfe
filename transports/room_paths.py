"""Paths of a room, without Starlette's way to an endpoint: that costs more than what most endpoints do."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import RoomError
from core.hub import Hub
from transports.errors import refused

_PARENT: Final = "/rooms/{room}/"
_SOCKET: Final = None  # stands where a request has its method, and is none that a client could send


class RoomPaths:
    """Stands before an app's router: `/rooms/{room}/WORD` is found by one look-up, not by a pattern for each route, and
    its endpoint is called where it is known, not through wrappers that look for exception handlers. Of a WebSocket they
    would stand before each message that is sent.

    All else is for the router: other paths, methods that a path does not have, an app that is mounted in another, and a
    route that does more than call its endpoint: one with middleware, or behind the race page's emulated link.
    """

    def __init__(self, app: ASGIApp, hub: Hub, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._hub = hub
        self._routes: dict[tuple[str | None, str], Route | WebSocketRoute] = {}
        for route in routes:
            if isinstance(route, Route | WebSocketRoute) and _only_calls_its_endpoint(route):
                word = route.path.removeprefix(_PARENT)
                methods = (_SOCKET,) if isinstance(route, WebSocketRoute) else route.methods or ()
                self._routes.update({(method, word): route for method in methods})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan" or scope.get("root_path"):
            await self._app(scope, receive, send)
            return
        parts = scope["path"].split("/", 3)  # "", "rooms", the room, the word
        found = len(parts) == 4 and parts[1] == "rooms" and not parts[0] and parts[2]
        method = scope["method"] if scope["type"] == "http" else _SOCKET
        route = self._routes.get((method, parts[3])) if found else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, {"room": parts[2]}
        if isinstance(route, WebSocketRoute):
            await route.app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except RoomError as error:
            response = refused(self._hub, error)
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody is there to read it
        await response(scope, receive, send)


def _only_calls_its_endpoint(route: Route | WebSocketRoute) -> bool:
    """Whether it is of `/rooms/{room}/WORD`, and as Starlette made it: what wraps a route is an object. The endpoint of
    a WebSocket has to be an ASGI app.
    """
    word = route.path.removeprefix(_PARENT)
    if word == route.path or "{" in word:
        return False
    if isinstance(route, WebSocketRoute):
        return route.app is route.endpoint
    return inspect.isfunction(route.app) and inspect.iscoroutinefunction(route.endpoint)
