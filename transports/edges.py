"""What is refused before an app looks for the room: edges of HTTP that frameworks and servers leave to each other."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.errors import BadRequest, NotFound, RoomError
from core.hub import Hub
from transports.errors import deny, http_response

_UNIX: Final = "unix"


class Edges:
    """Stands before an app's routes: a request names one host, its path has no slash that is written otherwise, and
    what proxies say of whom they forward counts where the settings name them, and nowhere else.
    """

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app: Any = app
        self._hub = hub
        self._trusted = hub.settings.trusted_proxies
        if self._trusted:
            inner: Any = app  # uvicorn spells the types of ASGI otherwise than Starlette
            self._app = ProxyHeadersMiddleware(inner, list(self._trusted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if _UNIX in self._trusted and scope["type"] != "lifespan" and not scope.get("client"):
            scope["client"] = (_UNIX, 0)
        refusal = _refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(self._hub, refusal, scope, receive, send)


def keep_to_paths(router: Router, hub: Hub) -> None:
    """Answer a path that is not there by 404, also to an upgrade, and never by a redirect to another.

    Starlette would redirect a path with a slash too many, to an address made of whatever the request says is our host.
    """

    async def no_such_path(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _refuse(hub, NotFound("no such path"), scope, receive, send)
        else:
            raise HTTPException(status_code=404)

    router.redirect_slashes = False
    router.default = no_such_path


def _refusal(scope: Scope) -> RoomError | None:
    if scope["type"] == "lifespan":
        return None
    hosts = [name for name, _ in scope["headers"]].count(b"host")
    if hosts > 1 or (hosts == 0 and scope.get("http_version") == "1.1"):  # RFC 9112, section 3.2
        return BadRequest("a request has one Host header")
    raw_path: bytes = scope.get("raw_path") or b""
    if b"%" in raw_path and b"%2f" in raw_path.lower():
        return NotFound("no such path: a slash is not written as %2F here")
    return None


async def _refuse(hub: Hub, refusal: RoomError, scope: Scope, receive: Receive, send: Send) -> None:
    hub.stats.rejected[refusal.code] += 1
    if scope["type"] == "websocket":
        await deny(WebSocket(scope, receive, send), refusal)
    else:
        await http_response(refusal)(scope, receive, send)
