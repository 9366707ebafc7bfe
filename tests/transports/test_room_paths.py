"""What is answered by one look-up, and what goes by way of the router."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from core.backplane.memory import MemoryBackplane
from core.errors import Forbidden
from core.hub import Hub
from core.settings import Settings
from tests.transports.access import SECRET
from transports.room_paths import RoomPaths


async def endpoint(request: Request) -> Response:
    """Says which room it was asked for, unless that is one of those that it fails for."""
    room = request.path_params["room"]
    if room == "refused":
        raise Forbidden("not here")
    if room == "gone":
        raise ClientDisconnect
    return PlainTextResponse(room)


def plain(request: Request) -> Response:
    """What Starlette calls in a thread."""
    return PlainTextResponse(request.path_params["room"])


class Wrapped:
    """Like the race page's emulated link: it must see what is asked and answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def linked(route: Route) -> Route:
    route.app = Wrapped(route.app)
    return route


async def asked(method: str, path: str, root_path: str = "") -> tuple[int, bytes, Hub]:
    """The status and the body of an answer; 299 is the router's."""
    hub = Hub(MemoryBackplane(Settings(secret=SECRET)), Settings(secret=SECRET), secret=SECRET)
    routes = [
        Route("/rooms/{room}/poll", endpoint, methods=["POST"]),
        Route("/rooms/{room}", endpoint),
        linked(Route("/rooms/{room}/linked", endpoint)),
        Route("/rooms/{room}/within", endpoint, middleware=[Middleware(Wrapped)]),
        Route("/rooms/{room}/plain", plain),
        Route("/rooms/{room}/{word}", endpoint),
        WebSocketRoute("/rooms/{room}/ws", Socket()),
    ]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope = {"type": "http", "method": method, "path": path, "root_path": root_path, "headers": [], "query_string": b""}
    await RoomPaths(PlainTextResponse("routed", 299), hub, routes)(scope, receive, send)
    return sent[0]["status"], sent[1]["body"], hub


async def test_endpoint_of_a_rooms_path_is_called() -> None:
    assert (await asked("POST", "/rooms/lobby/poll"))[:2] == (200, b"lobby")


@pytest.mark.parametrize(
    ("method", "path", "root_path"),
    [
        ("GET", "/rooms/lobby/poll", ""),
        ("POST", "/rooms/lobby/poll/", ""),
        ("POST", "/rooms//poll", ""),
        ("POST", "/rooms/lobby/other", ""),
        ("POST", "/x/rooms/lobby/poll", ""),
        ("POST", "rooms/lobby/poll", ""),
        ("GET", "/rooms/lobby", ""),
        ("GET", "/rooms/lobby/linked", ""),
        ("GET", "/rooms/lobby/within", ""),
        ("GET", "/rooms/lobby/plain", ""),
        ("GET", "/rooms/lobby/{word}", ""),
        ("POST", "/app/rooms/lobby/poll", "/app"),
        ("websocket", "/rooms/lobby/ws", ""),
        ("", "/rooms/lobby/ws", ""),
    ],
)
async def test_all_else_is_for_the_router(method: str, path: str, root_path: str) -> None:
    assert (await asked(method, path, root_path))[:2] == (299, b"routed")


class Socket:
    """An ASGI app, as the endpoint of a WebSocket is here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", "room": scope["path_params"]["room"]})


async def session(websocket: WebSocket) -> None:
    """What Starlette wraps."""


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/rooms/lobby/ws", True),
        ("/rooms/lobby/linked", False),
        ("/rooms/lobby/wrapped", False),
        ("/rooms/lobby/x", False),
    ],
)
async def test_app_behind_a_rooms_websocket_sends_without_wrappers(path: str, taken: bool) -> None:
    hub = Hub(MemoryBackplane(Settings(secret=SECRET)), Settings(secret=SECRET), secret=SECRET)
    linked_socket = WebSocketRoute("/rooms/{room}/linked", Socket())
    linked_socket.app = Wrapped(linked_socket.app)
    wrapped = WebSocketRoute("/rooms/{room}/wrapped", session)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    async def router(scope: Scope, receive: Receive, send: Send) -> None:
        await send("routed")  # type: ignore[arg-type]

    paths = RoomPaths(router, hub, [WebSocketRoute("/rooms/{room}/ws", Socket()), linked_socket, wrapped])
    await paths({"type": "websocket", "path": path, "root_path": ""}, receive, send)
    assert sent == ([{"type": "websocket.accept", "room": "lobby"}] if taken else ["routed"])


async def test_refusal_is_answered_and_counted() -> None:
    status, body, hub = await asked("POST", "/rooms/refused/poll")
    assert (status, b'"forbidden"' in body, hub.stats.rejected["forbidden"]) == (403, True, 1)


async def test_client_that_has_gone_is_no_failure() -> None:
    assert (await asked("POST", "/rooms/gone/poll"))[0] == 400
