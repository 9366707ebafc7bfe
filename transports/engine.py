"""Engine.IO, which carries Socket.IO: python-engineio with the bounds that it leaves to its user.

Its queues are unbounded, it logs a traceback for packets that no client should send, and it trusts forwarded headers.
So what comes in is checked here before it sees it, a connection that leaves too much unread is not read from, and our
own guard decides on origins. It relies on inner names of engineio; `tests/transports/test_promises.py` says which.
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import Any, Final

import engineio
from engineio.async_drivers.asgi import WebSocket as EngineWebSocket
from engineio.packet import CLOSE, Packet
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from core.errors import BadRequest, RoomError
from core.hub import Hub
from transports.caching import UNTOUCHED_FIELD
from transports.errors import deny, no_upgrade
from transports.guard import RequestGuard

QUEUED_PACKETS: Final = 64  # unread by a client, before what it sends is left unread too
MALFORMED: Final = "42"  # a Socket.IO event without its array: answered like any other bad command
_PACKETS_PER_BODY: Final = 16
_SEPARATOR: Final = "\x1e"

# What a client may send: a message with a Socket.IO packet (0 connect, 1 disconnect, 2 event, 3 ack) in it, close, the
# upgrade's probe, pong, upgrade. engineio would try to read the rest as JSON, of any depth.
_PACKET: Final = re.compile(r"4[0-3]|(?:1|2probe|3|5)\Z")
_POSTED: Final = re.compile(r"4[0-3]|[13]\Z")


class BoundedWebSocket(EngineWebSocket):  # type: ignore[misc]
    """One WebSocket as engineio's driver sees it: gives it well-formed packets, and none while too many wait."""

    def __init__(self, handler: Any, server: Any) -> None:
        super().__init__(handler, server)
        self._socket = handler.__self__
        self._unwritable = asyncio.Event()

    async def __call__(self, environ: dict[str, Any]) -> Any:
        """Serve the connection. Its scope is kept for whoever has to cut it off."""
        self._socket.session["scope"] = environ["asgi.scope"]
        return await super().__call__(environ)

    async def wait(self) -> str:
        """Wait for the next packet. Raises OSError when the peer is gone, as the driver's own does."""
        if _is_full(self._socket.queue):
            await self._let_drain()
        message = await self.asgi_receive()
        if message["type"] != "websocket.receive":
            raise OSError("the peer is gone")
        text: str | None = message.get("text")
        return text if text is not None and _PACKET.match(text) else MALFORMED

    async def send(self, message: str) -> None:
        """Send one packet. Raises when the peer is gone."""
        try:
            await super().send(message)
        except BaseException:
            self._unwritable.set()
            raise

    async def _let_drain(self) -> None:
        # With its reader gone nothing empties the queue any more, and the disconnect is not read meanwhile.
        drained = asyncio.ensure_future(self._socket.queue.join())
        unwritable = asyncio.ensure_future(self._unwritable.wait())
        try:
            await asyncio.wait({drained, unwritable}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()
            unwritable.cancel()
        if self._unwritable.is_set():
            raise OSError("the peer is gone")


class EngineServer(engineio.AsyncServer):  # type: ignore[misc]
    """engineio's server on the bounded WebSocket."""

    _async: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._async = {**self._async, "websocket": BoundedWebSocket}

    def _log_error_once(self, message: str, message_key: str) -> None:
        """What a client did wrong is its affair, also the first time."""
        self.logger.info(message)


async def let_drain(socket: Any) -> None:
    """Return when not too many packets wait in a connection's queue; never, once the connection is gone."""
    if _is_full(socket.queue):
        await socket.queue.join()


async def close(socket: Any) -> None:
    """End a connection after what waits for it; engineio by itself would leave the WebSocket for the peer to close."""
    await socket.close(wait=False, abort=True, reason=socket.server.reason.SERVER_DISCONNECT)
    socket.queue.put_nowait(Packet(CLOSE))
    socket.queue.put_nowait(None)


def ping_times(heartbeat_s: float) -> dict[str, Any]:
    """Options of the engine for a heartbeat. Clients get whole seconds, rounded up."""
    return {"ping_interval": (heartbeat_s, math.ceil(heartbeat_s) - heartbeat_s), "ping_timeout": heartbeat_s}


class EngineEndpoint:
    """The ASGI app at `/socket.io/`: our guard first, then engineio."""

    def __init__(self, hub: Hub, server: Any) -> None:
        self._hub = hub
        self._guard = RequestGuard(hub)
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a WebSocket. Raises RoomError for a request that is refused."""
        if scope["type"] == "websocket":
            websocket = WebSocket(scope, receive, send)
            try:
                self._check(websocket)
            except RoomError as refusal:
                self._hub.stats.rejected[refusal.code] += 1
                await deny(websocket, refusal)
                return
        else:
            request = Request(scope, receive, send)
            self._check(request)
            if request.method == "GET" and "websocket" in request.query_params.getlist("transport"):
                raise no_upgrade(request)
            if request.method == "POST":
                body = await self._posted(request)
                scope, receive = _with_length(scope, len(body)), _replay(body)
            send = _untouched(send)
            if request.method == "GET":
                await self._poll(scope, receive, send)
                return
        await self._server.handle_request(scope, receive, send)

    async def _poll(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let engineio answer a poll while its client is there: else its session ends, as Engine.IO wants it."""
        polling = asyncio.ensure_future(self._server.handle_request(scope, _replay(b""), send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({polling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not polling.done():
                polling.cancel()
        await asyncio.wait({polling})
        if not polling.cancelled():
            polling.result()

    def _check(self, connection: WebSocket | Request) -> None:
        self._guard.check_origin(connection)
        self._hub.refuse_while_draining()
        if "j" in connection.query_params:
            raise BadRequest("JSONP is not served")

    async def _posted(self, request: Request) -> bytes:
        body = await self._guard.body(request)
        try:
            packets = body.decode().split(_SEPARATOR)
        except UnicodeDecodeError:
            raise BadRequest("not UTF-8") from None
        if len(packets) > _PACKETS_PER_BODY:
            raise BadRequest(f"{len(packets)} packets: at most {_PACKETS_PER_BODY} to a body are allowed")
        for packet in packets:
            if _POSTED.match(packet) is None:
                raise BadRequest("the body holds what is no Engine.IO packet that a client may POST")
        socket = self._server.eio.sockets.get(request.query_params.get("sid"))
        if socket is not None and _is_full(socket.queue):
            raise BadRequest(f"{socket.queue.qsize()} packets wait to be read first")
        return body


def _is_full(queue: asyncio.Queue[Any]) -> bool:
    return queue.qsize() >= QUEUED_PACKETS


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _with_length(scope: Scope, length: int) -> Scope:
    """The scope with the length of a body that has been read: engineio reads no body without one."""
    framing = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in framing]
    return {**scope, "headers": [*headers, (b"content-length", b"%d" % length)]}


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _untouched(send: Send) -> Send:
    """Send the answers of engineio, which says nothing of caches, as those of every poll."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), UNTOUCHED_FIELD]
        await send(message)

    return sent
