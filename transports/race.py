"""The race page: `/` and its modules; with `--demo` also tokens for visitors, emulated links and a cord to cut."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from core.auth import ALL_ROOMS, sign
from core.catalogue import lanes
from core.errors import BadRequest, Forbidden, RateLimited
from core.hub import Hub
from core.model import USER_PATTERN
from core.ratelimit import RateLimiter
from core.settings import SettingError
from transports.caching import UNSTORED
from transports.guard import RequestGuard
from transports.link import MAX_OUTAGE_S, Cords, LinkedApp, abort, check_tab

DEMO_VARIABLE: Final = "RTLAB_DEMO"
TOKEN_LIFETIME_S: Final = 3600
TOKENS_PER_S: Final = 2.0
TOKENS_BURST: Final = 20
_OF_PROXIES: Final = ("forwarded", "via")
_DISTINCT_S: Final = 600  # of a token's life: by so much tokens may differ

_FOLDER: Final = Path(__file__).parent / "page"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # An isolated page has a clock of 5 microseconds in place of 100, and may ask how much memory it uses.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def with_page(routes: Sequence[BaseRoute], hub: Hub, *, demo: bool) -> list[BaseRoute]:
    """The routes of a server together with the page's. Raises SettingError."""
    if not demo:
        return [*routes, *_page_routes(demo=False)]
    visitors = Demo(hub)
    return [*map(visitors.linked, routes), *visitors.routes(), *_page_routes(demo=True)]


def _page_routes(*, demo: bool) -> list[BaseRoute]:
    """`/` and every module of the page, read once. An attribute of the page says whether this is a demo."""
    routes: list[BaseRoute] = []
    for path in sorted(_FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            if path.name == "index.html" and demo:
                content = content.replace(b'data-demo="off"', b'data-demo="on"')
            where = "/" if path.name == "index.html" else f"/page/{path.relative_to(_FOLDER).as_posix()}"
            routes.append(_static(where, content, _TYPES[path.suffix]))
    return [*routes, *_lane_routes(), Route("/page/elsewhere.json", _elsewhere, methods=["GET"])]


class Place(msgspec.Struct, frozen=True):
    """Another address of the page, on the same host."""

    title: str
    scheme: str
    port: int


async def _elsewhere(request: Request) -> Response:
    """The page's other addresses, which only who listens knows: it leaves `Place`s in the app's state."""
    places: Sequence[Place] = getattr(request.app.state, "elsewhere", ())
    return Response(msgspec.json.encode(places), headers=_HEADERS, media_type="application/json")


def _lane_routes() -> list[BaseRoute]:
    """What the catalogue says of the page's lanes: their clients, and their colours."""
    known = [msgspec.structs.asdict(lane) for lane, _ in lanes().values()]
    fields = ("id", "title", "note", "module", "client", "options")
    clients = msgspec.json.encode([{name: lane[name] for name in fields} for lane in known])
    rules = [f'[data-lane="{name}"] {{ --lane: {look.light}; }}' for name, (_, look) in lanes().items()]
    dark = [f'[data-lane="{name}"] {{ --lane: {look.dark}; }}' for name, (_, look) in lanes().items()]
    colours = "\n".join([*rules, "@media (prefers-color-scheme: dark) {", *dark, "}", ""])
    return [
        _static("/page/lanes.json", clients, "application/json"),
        _static("/page/lanes.css", colours.encode(), _TYPES[".css"]),
    ]


def _static(where: str, content: bytes, media_type: str) -> Route:
    headers = {**_HEADERS, "ETag": f'"{blake2b(content, digest_size=8).hexdigest()}"'}

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(where, serve, methods=["GET"])


class _TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: Annotated[str, msgspec.Meta(pattern=rf"\A{USER_PATTERN}\Z")]


class _CutRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    tab: str
    outage_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_OUTAGE_S)] = 0.0


class Demo:
    """What a visitor of this machine may do that a production server must not offer. One per hub.

    Raises SettingError when the server has no secret to sign with.
    """

    def __init__(self, hub: Hub) -> None:
        if hub.settings.secret is None:
            raise SettingError(f"{DEMO_VARIABLE}=1 needs RTLAB_SECRET: the demo signs tokens with it")
        self._secret = hub.settings.secret
        self._guard = RequestGuard(hub)
        self._limiter = RateLimiter(TOKENS_PER_S, TOKENS_BURST)
        self._cords = Cords(time.monotonic)
        self._latest_s = 0  # when the last token expires

    def linked(self, route: BaseRoute) -> BaseRoute:
        """The route, behind the emulated link if it is a room's."""
        if isinstance(route, Route | WebSocketRoute) and route.path.startswith("/rooms/"):
            route.app = LinkedApp(route.app, self._cords)
        return route

    def routes(self) -> list[BaseRoute]:
        """`POST /demo/token` and `POST /demo/cut`, for this machine's own browsers."""

        async def token(request: Request) -> Response:
            self._check_caller(request)
            wanted = _decode(_TokenRequest, await self._guard.body(request))
            return JSONResponse(self._issue(wanted.user), headers=UNSTORED)

        async def cut(request: Request) -> Response:
            self._check_caller(request)
            wanted = _decode(_CutRequest, await self._guard.body(request))
            dropped = self._cords.cut(check_tab(wanted.tab), wanted.outage_s)
            count = abort(request.app.state.server, dropped)
            return JSONResponse({"dropped": count}, headers=UNSTORED)

        return [Route("/demo/token", token, methods=["POST"]), Route("/demo/cut", cut, methods=["POST"])]

    def _issue(self, user: str) -> dict[str, object]:
        wait_s = self._limiter.take("demo", time.monotonic())
        if wait_s:
            raise RateLimited("too many demo tokens are asked for", retry_after_ms=math.ceil(wait_s * 1000))
        # Two tabs of one user get different tokens, also within a second: a tab that leaves leaves alone.
        self._latest_s = max(int(time.time()) + TOKEN_LIFETIME_S - _DISTINCT_S, self._latest_s + 1)
        expires_at_s = self._latest_s
        return {"token": sign(self._secret, user, [ALL_ROOMS], expires_at_s), "userId": user, "expiresAt": expires_at_s}

    def _check_caller(self, request: Request) -> None:
        """Raise Forbidden for foreign pages and other machines: whoever gets a token may enter every room."""
        self._guard.check_origin(request)
        try:
            local = request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
        except ValueError:
            local = False
        # What proxies say is believed nowhere, but it is enough for a no.
        through = [name for name in request.headers if name in _OF_PROXIES or name.startswith("x-forwarded-")]
        if through:
            raise Forbidden(f"the demo is for browsers on this machine only: {through[0]} says that a proxy asks")
        if not local or not _is_loopback_host(request.headers.get("host", "")):
            raise Forbidden("the demo is for browsers on this machine only")


def _is_loopback_host(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


T = TypeVar("T")


def _decode(kind: type[T], raw: bytes) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(str(error)) from error
