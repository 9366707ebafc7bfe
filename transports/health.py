"""`GET /health`: whether this instance serves, a fixed code that says why not, and how it writes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.catalogue import Record
from core.hub import Hub
from transports.base import FastPath
from transports.caching import UNSTORED
from transports.hosting import tcp_nodelay
from transports.registry import SERVED
from transports.uvicorn_edges.bounds import connection_of


def health_route(name: str, hub: Hub, fast: FastPath | None) -> Route:
    """200 while rooms are served, else 503 with a `reason` where there is a code for it."""

    async def health(request: Request) -> Response:
        status, reason = condition(hub)
        sink = _sink(request, SERVED.get(name), hub.settings.fanout, fast)
        body = {
            "status": status,
            "transport": name,
            "instance": hub.instance,
            "deflate": hub.settings.deflate,
            "sink": sink,
            "writes": _writes(request, fast) if sink == "direct" else None,
            "tcpNodelay": _tcp_nodelay(request),
        }
        if reason is not None:
            body["reason"] = reason
        return JSONResponse(body, 200 if status == "ok" else 503, UNSTORED)

    return Route("/health", health, methods=["GET"])


def condition(hub: Hub) -> tuple[str, str | None]:
    """The status, and the code of what is wrong. Codes are public: no host, user or error text."""
    if not hub.entered:
        return "unavailable", "lifespan"
    if hub.draining:
        return "draining", None
    return ("ok", None) if hub.backplane.available else ("unavailable", hub.backplane.reason)


def _sink(request: Request, record: Record | None, fanout: str, fast: FastPath | None) -> str:
    if record is not None and record.server.http2 == "required":
        return fanout  # promises are written by h2 itself, whatever asks for its health
    may = record is None or record.server.direct
    return "direct" if may and fast is not None and fast.serves(request.scope) else "portable"


def _writes(request: Request, fast: FastPath | None) -> str | None:
    tls = getattr(connection_of(request.scope), "scheme", "http") != "http"  # then its transport writes
    return None if fast is None or tls else fast.writes


def _tcp_nodelay(request: Request) -> bool | None:
    known: bool | None = getattr(connection_of(request.scope), "tcp_nodelay", None)  # under Hypercorn
    return tcp_nodelay(request.app.state.server, request.scope.get("client")) if known is None else known
