"""RoomError -> HTTP status and close code: the only place that knows them."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from core import wire
from core.errors import BadRequest, HelloTimeout, NotFound, RoomError, ShuttingDown, Unavailable
from core.hub import Hub
from transports.caching import UNSTORED

HTTP_STATUS: Final = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "upgrade_required": 426,
    "rate_limited": 429,
    "slow_consumer": 503,
    "shutting_down": 503,
    "unavailable": 503,
}

CLOSE_CODE: Final = {
    "bad_request": 4400,
    "unauthorized": 4401,
    "forbidden": 4403,
    "too_large": 1009,
    "rate_limited": 4429,
    "slow_consumer": 4409,
    "shutting_down": 1012,
    "unavailable": 1013,
}
_HELLO_TIMEOUT: Final = 4408
_REASON_BYTES: Final = 123

Handler = Callable[[Request, Exception], Awaitable[Response]]


class MethodNotAllowed(RoomError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"


class UpgradeRequired(RoomError):
    """A WebSocket is there, and was not asked for."""

    code = "upgrade_required"


def no_upgrade(request: Request) -> RoomError:
    """Why a request at a WebSocket's path is refused that is no upgrade, or no good one."""
    if not request.scope["http_version"].startswith("1."):
        return BadRequest("a WebSocket is asked for by an upgrade of HTTP/1.1")
    if request.headers.get("sec-websocket-version") == "13":
        return BadRequest("no WebSocket handshake: GET of HTTP/1.1 without a body, one Sec-WebSocket-Key of 16 bytes")
    return UpgradeRequired("a WebSocket is here: an upgrade with Sec-WebSocket-Version 13 opens it")


def close_code(error: RoomError) -> int:
    """The WebSocket close code of an error."""
    return _HELLO_TIMEOUT if isinstance(error, HelloTimeout) else CLOSE_CODE[error.code]


def close_reason(error: RoomError) -> str:
    """What fits into a close frame of an error's message (RFC 6455, section 5.5)."""
    return error.message.encode()[:_REASON_BYTES].decode(errors="ignore")


def http_response(error: RoomError) -> Response:
    """The HTTP answer of an error: its event as the body, and when to come back."""
    headers = dict(UNSTORED)
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_ms / 1000))
    if isinstance(error, UpgradeRequired):  # RFC 9110, section 15.5.22, and RFC 6455, section 4.4
        headers |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    return Response(wire.error(error), HTTP_STATUS[error.code], headers, "application/json")


def refused(hub: Hub, error: RoomError) -> Response:
    """The HTTP answer of an error, which it counts."""
    hub.stats.rejected[error.code] += 1
    return http_response(error)


async def deny(websocket: WebSocket, refusal: RoomError) -> None:
    """Refuse a WebSocket before it is accepted, with the error's status where the server can say one.

    Elsewhere a refused handshake is a bare 403, which would blame the client: it is accepted and closed with the error.
    """
    if "websocket.http.response" in (websocket.scope.get("extensions") or {}):
        await websocket.send_denial_response(http_response(refusal))
    elif isinstance(refusal, Unavailable | ShuttingDown):
        await websocket.accept()
        await websocket.send_text(wire.error(refusal).decode())
        try:
            await websocket.close(close_code(refusal), close_reason(refusal))
        except Exception:  # noqa: BLE001  Daphne sends no code but 1000 and 3000 to 4999, and raises what it likes
            websocket.application_state = WebSocketState.CONNECTED
            await websocket.close()
    else:
        await websocket.close()


def handlers(hub: Hub) -> dict[type[Exception], Handler]:
    """Starlette exception handlers that answer in the contract's words and count what was refused."""

    async def refused_room(request: Request, error: Exception) -> Response:
        assert isinstance(error, RoomError)
        return refused(hub, error)

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            response = refused(hub, MethodNotAllowed(f"{request.method} is not allowed here"))
            response.headers.update(error.headers or {})  # says which methods are
            return response
        return refused(hub, NotFound("no such path"))

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    return {RoomError: refused_room, HTTPException: unrouted, ClientDisconnect: gone}
