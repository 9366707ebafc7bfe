"""An emulated link for the race page: a fixed delay each way on one connection's ASGI messages, and a cord to cut.

What it emulates, and what not: every message of the app and of the client is held for the delay, in order, without
loss or jitter; so a request, a frame or an event takes as long as over a link with that one-way delay. TCP itself
stays on the real link: its handshake and its retransmissions are not delayed. `loadtests.link` emulates those too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Server

from core.errors import BadRequest
from transports.errors import http_response

MAX_DELAY_MS: Final = 2000
MAX_OUTAGE_S: Final = 30.0
_IN_FLIGHT: Final = 1024  # messages each way; past that the app waits, as it would for a full socket
_TAB_CHARS: Final = 32

Address = tuple[str, int]


class Cords:
    """The connections of each browser tab, and the tabs that are cut off for now. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._live: dict[str, set[Address]] = defaultdict(set)
        self._cut_until_s: dict[str, float] = {}

    def plug(self, tab: str, client: Address) -> bool:
        """Note a connection. Returns False while its tab is cut off: it is then to be dropped at once."""
        self._live[tab].add(client)
        return self._cut_until_s.get(tab, 0.0) <= self._clock()

    def unplug(self, tab: str, client: Address) -> None:
        """Forget a connection that has ended."""
        self._live[tab].discard(client)
        if not self._live[tab]:
            del self._live[tab]

    def cut(self, tab: str, outage_s: float) -> set[Address]:
        """Cut a tab off. Returns the connections that are to be dropped."""
        now_s = self._clock()
        self._cut_until_s = {known: until_s for known, until_s in self._cut_until_s.items() if until_s > now_s}
        self._cut_until_s[tab] = now_s + outage_s
        return set(self._live.get(tab, ()))


class LinkedApp:
    """Wraps the app of one route: honours `?delay=MS` and `?tab=ID` of each connection."""

    def __init__(self, app: ASGIApp, cords: Cords) -> None:
        self._app = app
        self._cords = cords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            delay_s, tab = _parameters(scope)
        except BadRequest as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 4400, "reason": error.message})
            else:
                await http_response(error)(scope, receive, send)
            return
        client: Address | None = scope.get("client")
        if tab is None or client is None:
            await (self._carry(scope, receive, send, delay_s) if delay_s else self._app(scope, receive, send))
            return
        try:
            if self._cords.plug(tab, client):
                await self._carry(scope, receive, send, delay_s)
            else:
                abort(scope["app"].state.server, {client})
                while not (await receive())["type"].endswith(".disconnect"):
                    pass  # an app that returns before its peer is gone owes an answer
        finally:
            self._cords.unplug(tab, client)

    async def _carry(self, scope: Scope, receive: Receive, send: Send, delay_s: float) -> None:
        # A sink that writes to the socket itself would overtake what is held, and outlive the app and its cord.
        extensions = {name: value for name, value in scope.get("extensions", {}).items() if "http.response" in name}
        scope = {**scope, "extensions": extensions}
        if delay_s:
            await _Delayed(delay_s, receive, send).run(self._app, scope)
        else:
            await self._app(scope, receive, send)


def abort(server: Server | None, clients: set[Address]) -> int:
    """Reset the accepted connections of these clients, as a broken line would. Returns how many there were."""
    found = 0
    for connection in list(server.server_state.connections) if server is not None else ():
        peer = getattr(connection, "client", None)
        if peer is not None and tuple(peer) in clients:
            connection.transport.abort()
            found += 1
    return found


class _Delayed:
    """Carries the messages of one connection, each held for the same time: order is kept."""

    def __init__(self, delay_s: float, receive: Receive, send: Send) -> None:
        self._delay_s = delay_s
        self._receive = receive
        self._send = send
        self._now_s = asyncio.get_running_loop().time
        self._in: asyncio.Queue[tuple[float, Message]] = asyncio.Queue(_IN_FLIGHT)
        self._out: asyncio.Queue[tuple[float, Message] | None] = asyncio.Queue(_IN_FLIGHT)
        self._gone: Message | None = None
        self._broken = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run the app behind the link; returns when all that it sent has been delivered."""
        pumps = [asyncio.ensure_future(self._pump_in()), asyncio.ensure_future(self._pump_out())]
        try:
            if scope["type"] == "http":
                await asyncio.sleep(self._delay_s)  # a request without a body is not waited for with receive
            await app(scope, self._delayed_receive, self._delayed_send)
            await self._out.put(None)
            await pumps[1]
        finally:
            for pump in pumps:
                pump.cancel()

    async def _pump_in(self) -> None:
        while True:
            message = await self._receive()
            await self._in.put((self._now_s() + self._delay_s, message))
            if message["type"].endswith(".disconnect"):
                return

    async def _pump_out(self) -> None:
        while (held := await self._out.get()) is not None:
            due_s, message = held
            await asyncio.sleep(max(0.0, due_s - self._now_s()))
            if not self._broken:
                try:
                    await self._send(message)
                except OSError:  # the peer is gone; what still comes is dropped, and the app is notified
                    self._broken = True

    async def _delayed_receive(self) -> Message:
        if self._gone is None:
            due_s, message = await self._in.get()
            await asyncio.sleep(max(0.0, due_s - self._now_s()))
            if not message["type"].endswith(".disconnect"):
                return message
            self._gone = message
        return self._gone

    async def _delayed_send(self, message: Message) -> None:
        if self._broken:
            raise OSError("the peer is gone")
        await self._out.put((self._now_s() + self._delay_s, message))


def _parameters(scope: Scope) -> tuple[float, str | None]:
    """The delay in seconds and the tab of a connection. Raises BadRequest."""
    given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    delay = given.get("delay", ["0"])
    if len(delay) > 1 or not delay[0].isascii() or not delay[0].isdigit() or int(delay[0][:6]) > MAX_DELAY_MS:
        raise BadRequest(f"delay={delay[0]!r}: whole milliseconds from 0 to {MAX_DELAY_MS} are allowed")
    tab = given.get("tab", [None])[0]
    return int(delay[0]) / 1000, check_tab(tab) if tab is not None else None


def check_tab(text: str) -> str:
    """Check a tab's id, which the page draws at random. Raises BadRequest."""
    if not (1 <= len(text) <= _TAB_CHARS and text.isascii() and text.isalnum()):
        raise BadRequest(f"tab: 1 to {_TAB_CHARS} letters and digits are allowed")
    return text
