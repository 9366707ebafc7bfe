"""`create_app`: one transport over one hub, as an ASGI app with the endpoints that all of them have."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.backplane.base import Backplane
from core.backplane.memory import MemoryBackplane
from core.hub import Hub
from core.settings import SettingError, Settings
from core.stamping import Stamping
from transports import errors
from transports.base import EDGES, FastPath
from transports.caching import UNSTORED
from transports.descriptors import refuse_too_few
from transports.edges import Edges, keep_to_paths
from transports.guard import RequestGuard, get_route
from transports.health import health_route
from transports.hosting import DRAIN_SHARE, adopt, hosting_server
from transports.lifespan import LabApp
from transports.logs import join_server_log
from transports.metrics import Exposition
from transports.plug import fast_path
from transports.race import with_page
from transports.registry import load, parts
from transports.room_paths import RoomPaths
from transports.shutdown import drained_at_shutdown
from transports.workers import refuse_split_rooms

_log = logging.getLogger("rtlab.app")


def create_app(name: str, settings: Settings | None = None) -> Starlette:
    """Make the app of a transport. Settings come from the environment unless given.

    Raises UnknownTransportError, SettingError.
    """
    join_server_log()  # before the first warning; again in the lifespan, for an app that was made before its server
    transport = load(name)
    settings = settings or Settings.from_environ(os.environ)
    hub = _hub(settings)
    fast = fast_path(hub)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        refuse_split_rooms(settings)
        refuse_too_few()
        join_server_log()
        app.state.server = server = hosting_server()
        if server is not None:
            adopt(server, settings, EDGES if fast is None else fast.protocols, hub.drain)
        patience_s = settings.drain_s * DRAIN_SHARE
        drained = (
            drained_at_shutdown(hub.drain, hub.stats.connections.total, patience_s) if server is None else nullcontext()
        )
        async with hub.running(), drained:
            yield

    # Those of the transport first: routes are tried in turn, and these are asked for most.
    routes: list[BaseRoute] = [*transport.routes(hub, fast), *_common_routes(name, hub, fast)]
    if name == "all":
        routes = with_page(routes, hub, demo=settings.demo)
    app = LabApp(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Edges, hub), *_middleware(settings), Middleware(RoomPaths, hub, routes)],
        exception_handlers=errors.handlers(hub),
    )
    keep_to_paths(app.router, hub)
    app.state.server = None
    app.state.drain = hub.drain
    return app


def _hub(settings: Settings) -> Hub:
    secret = settings.secret or _random_secret()
    return Hub(_backplane(settings), settings, secret=secret, stamping=_stamping(settings))


def _stamping(settings: Settings) -> Stamping | None:
    if settings.stamps_folder is None:
        return None
    folder = Path(settings.stamps_folder)
    if not folder.is_dir():
        raise SettingError(f"RTLAB_STAMPS={settings.stamps_folder!r}: a folder that is there is allowed")
    return Stamping(folder)


def _backplane(settings: Settings) -> Backplane:
    if settings.redis_url is None:
        return MemoryBackplane(settings)
    from core.backplane.redis import RedisBackplane

    try:
        return RedisBackplane(settings.redis_url, settings)
    except ValueError as error:
        raise SettingError(f"RTLAB_REDIS_URL: {error}") from error


def _common_routes(name: str, hub: Hub, fast: FastPath | None) -> list[Route]:
    guard, exposition = RequestGuard(hub), Exposition(hub, parts(name))

    async def metrics(request: Request) -> Response:
        return Response(exposition.text(), headers=UNSTORED, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def room_state(request: Request) -> Response:
        _, room = guard.enter(request)
        position, members = await hub.members(room)
        listed = [{"userId": member.user_id, "connections": member.connections} for member in members]
        body = {"room": room, "position": str(position), "members": listed}
        return JSONResponse(body, headers=UNSTORED)

    return [
        health_route(name, hub, fast),
        Route("/metrics", metrics, methods=["GET"]),
        get_route("/rooms/{room}", room_state),
    ]


def _middleware(settings: Settings) -> list[Middleware]:
    if settings.origins is None:
        return []  # same-origin pages need no permission
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.origins),
            allow_credentials=True,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
            expose_headers=["Retry-After"],
        )
    ]


def _random_secret() -> bytes:
    _log.warning("RTLAB_SECRET is not set: using a random key, so only this process's tokens are good, until it ends")
    return secrets.token_bytes(32)
