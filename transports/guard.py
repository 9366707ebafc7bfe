"""Origin, then bearer or cookie, give the principal; `POST /session` turns a first message into the cookie."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from core import wire
from core.errors import BadRequest, TooLarge, Unauthorized
from core.hub import Hub
from core.model import Position, Principal, RoomId, room_id
from core.origins import OriginPolicy
from transports.caching import UNSTORED
from transports.uvicorn_edges.bounds import has_come_whole, kept_for_alike

COOKIE: Final = "rtlab_session"
_BODY_S: Final = 10.0  # a body that trickles in longer is given up


class RequestGuard:
    """Checks the origin and the token of requests, for one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        settings = hub.settings
        self._origins = OriginPolicy(settings.origins, settings.own_host, settings.require_origin)

    def check_origin(self, connection: HTTPConnection) -> None:
        """Raise Forbidden for a page that may not talk to us."""
        asked: str = connection.scope.get("scheme", "http")  # optional in ASGI: Daphne leaves it out
        scheme = {"ws": "http", "wss": "https"}.get(asked, asked)
        origins = [value for name, value in connection.scope["headers"] if name == b"origin"]
        if not origins:  # most clients that are no page: nothing to compare
            self._origins.check(None, scheme, None)
            return
        # Two Origin headers agree on nothing; joined they match no allow-list.
        asking = b", ".join(origins).decode("latin-1")
        self._origins.check(asking, scheme, connection.headers.get("host"), _own_hosts(connection))

    def room(self, connection: HTTPConnection) -> RoomId:
        """The room of the path, for a page that may talk to us. Raises NotFound, Forbidden, ShuttingDown."""
        room = room_id(connection.path_params["room"])
        self.check_origin(connection)
        self._hub.refuse_while_draining()
        return room

    def enter(self, request: Request) -> tuple[Principal, RoomId]:
        """Who asks, and for which room. Raises NotFound, Forbidden, Unauthorized, ShuttingDown."""
        fields, named, kept = request.scope["headers"], request.path_params["room"], kept_for_alike(request.scope)
        if kept is not None and self in kept:
            seen, principal, room = kept[self]
            if seen == fields and room == named and principal.expires_at_s > self._hub.wall_clock():
                self._hub.refuse_while_draining()
                return principal, room
        room = self.room(request)
        principal = self._hub.admit(self.token(request), room)
        if kept is not None:
            kept[self] = list(fields), principal, room
        return principal, room

    def token(self, request: Request) -> str | None:
        """What a request shows. Raises Unauthorized for a header that can't be read."""
        fields: list[tuple[bytes, bytes]] = request.scope["headers"]
        authorization = next((value for name, value in fields if name == b"authorization"), None)
        if authorization is None:
            return request.cookies.get(COOKIE)
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("an Authorization header looks like: Bearer TOKEN")
        return token.strip()

    async def body(self, request: Request) -> bytes:
        """Read a request's body. Raises TooLarge as soon as it is over the limit, BadRequest when it trickles."""
        if has_come_whole(request.scope):  # as most have: a timer costs more than to read them
            return await self._collected(request)
        try:
            async with asyncio.timeout(_BODY_S):
                return await self._collected(request)
        except TimeoutError:
            raise BadRequest(f"the body did not arrive within {_BODY_S:g} s") from None

    async def _collected(self, request: Request) -> bytes:
        limit, body, more = self._hub.settings.max_bytes, bytearray(), True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limit:
                raise TooLarge(f"the body has more than {limit} bytes")
        return bytes(body)

    def routes(self) -> list[Route]:
        """`POST /session`."""

        async def session(request: Request) -> Response:
            self.check_origin(request)
            self._hub.refuse_while_draining()
            token = wire.decode_token_body(await self.body(request))
            principal = self._hub.authenticator.verify(token, time.time())
            response = Response(status_code=204, headers=UNSTORED)
            response.set_cookie(
                COOKIE,
                token,
                max_age=max(1, math.floor(principal.expires_at_s - time.time())),
                httponly=True,
                samesite="strict",
                # A page that came by https says so, also where a proxy took the TLS off.
                secure=request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://"),
            )
            return response

        return [Route("/session", session, methods=["POST"])]


def _own_hosts(connection: HTTPConnection) -> list[str]:
    """The host that uvicorn was started for, and the address at which it took the connection."""
    server, local = connection.app.state.server, connection.scope.get("server")
    own = [server.config.host] if server is not None and server.config.host else []
    if local is not None and _is_address(local[0]):  # else a Unix socket's path
        own.append(local[0])
    return own


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def query_values(query: bytes) -> dict[str, list[str]]:
    """What a query gives for each name, as often as it does."""
    text = query.decode("latin-1")
    if b"%" in query or b"+" in query:
        pairs = parse_qsl(text, keep_blank_values=True)
    else:
        pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in text.split("&") if pair)]
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def since_query(request: Request) -> Position | None:
    """The position of `?since=`. Raises BadRequest when it is malformed or given twice."""
    return since_in(query_values(request.scope["query_string"]))


def since_in(values: Mapping[str, list[str]]) -> Position | None:
    """As `since_query`, of a query's values."""
    given = values.get("since", [])
    if len(given) > 1:
        raise BadRequest("since is given twice")
    return Position.parse(given[0]) if given else None


def get_route(path: str, endpoint: object) -> Route:
    """A GET route that does not answer HEAD: a stream or a held poll has no use for it."""
    route = Route(path, endpoint, methods=["GET"])  # type: ignore[arg-type]
    route.methods = {"GET"}
    return route
