"""Socket.IO on python-socketio: WebSocket or its own long polling, with its handshake, heartbeats and acknowledgements.

Rooms, history, presence and limits stay the core's: the library's own rooms and its unbounded fan-out are not used.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import socketio
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from socketio.packet import Packet
from starlette.routing import BaseRoute, Route, WebSocketRoute

from core import wire
from core.errors import BadRequest, RoomError, ShuttingDown, SlowConsumer, Unauthorized, Unavailable
from core.hub import Hub
from core.model import FrameKind, Position, Principal, RoomId, room_id
from core.subscription import Subscription
from transports.app import create_app
from transports.base import FastPath
from transports.conversation import Conversation
from transports.engine import EngineEndpoint, EngineServer, close, let_drain, ping_times
from transports.lifespan import LazyApp
from transports.stream import opening
from transports.uvicorn_edges.bounds import cut_off_later

PATH: Final = "/socket.io/"
_DEFAULT: Final = "/"  # the namespace
_COMMAND: Final = "command"
_COME_AGAIN: Final = (SlowConsumer, ShuttingDown, Unavailable)

# Packet type, namespace, acknowledgement id, and the rest, which stays text: its JSON is decoded by the core.
_PACKET: Final = re.compile(r"([0-3])(?:(/[^,]*),)?([0-9]{1,15})?(.*)", re.DOTALL)
_EVENT: Final[msgspec.json.Decoder[tuple[str, msgspec.Raw]]] = msgspec.json.Decoder(tuple[str, msgspec.Raw])


class UndecodedPacket(Packet):  # type: ignore[misc]
    """A packet whose JSON is not decoded by the library, which would let repeated keys and NaN through."""

    uses_binary_events = False

    def decode(self, encoded_packet: str) -> int:
        """Read all but the payload. An event becomes one `command` with its text, and whether it wants an ack."""
        match = _PACKET.fullmatch(encoded_packet)
        assert match is not None, "the engine lets no other packet pass"
        kind, self.namespace, number, payload = match.groups()
        self.packet_type = int(kind)
        self.id = None if number is None else int(number)
        self.data = [_COMMAND, payload, number is not None] if kind == "2" else payload
        return 0


def frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> EnginePacket:
    """One event of the contract as the Socket.IO event named `event`; made once for all subscribers."""
    return EnginePacket(MESSAGE, f'2["event",{body.decode()}]')


class SocketIoTransport:
    """Socket.IO, protocol 5 on Engine.IO 4."""

    def routes(self, hub: Hub, fast: FastPath | None = None) -> Sequence[BaseRoute]:
        """The one path, for requests and for WebSockets."""
        log = logging.getLogger("rtlab.socketio")
        log.setLevel(logging.ERROR)  # at INFO it would write tokens, at WARNING a line for each odd packet
        server = _Server(
            async_mode="asgi", serializer=UndecodedPacket, async_handlers=False, logger=log, engineio_logger=log,
            cors_allowed_origins=[], http_compression=False, max_http_buffer_size=hub.settings.max_bytes,
            **ping_times(hub.settings.heartbeat_s),
        )  # fmt: skip
        server.register_namespace(_Rooms(hub))
        endpoint = EngineEndpoint(hub, server)
        return [Route(PATH, endpoint, methods=["GET", "POST"]), WebSocketRoute(PATH, endpoint)]


class _Server(socketio.AsyncServer):  # type: ignore[misc]
    """python-socketio's server on our engine; a connection that joins no room in time is closed."""

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        self.namespace_handlers[_DEFAULT].expect(eio_sid)


class _Rooms(socketio.AsyncNamespace):  # type: ignore[misc]
    """The default namespace: connecting is joining a room."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(_DEFAULT)
        self._hub = hub
        self._members: dict[str, _Member] = {}  # by the engine's id of their connection
        self._closing: set[asyncio.Task[None]] = set()

    def expect(self, eio_sid: str) -> None:
        """Close a connection unless it is in a room by the deadline."""
        asyncio.get_running_loop().call_later(self._hub.settings.hello_s, self._overdue, eio_sid)

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: str | None) -> None:
        """Admit, or refuse with the error event as `data`. Raises ConnectionRefusedError."""
        eio_sid = self._eio_sid(sid)
        try:
            principal, room, since = self._greet(auth)
            subscription = await self._hub.attach(principal, room, "socketio", frame, since=since)
        except RoomError as refusal:
            self._hub.stats.rejected[refusal.code] += 1
            data = json.loads(wire.error(refusal))
            raise socketio.exceptions.ConnectionRefusedError(refusal.message, data) from None
        socket = self.server.eio.sockets.get(eio_sid)
        if socket is None or socket.closing or socket.closed:  # it went while we waited, which is not reported again
            await self._hub.detach(subscription)
            raise socketio.exceptions.ConnectionRefusedError("the connection is gone")
        # Its task first runs when our caller has put the answer to the handshake into the queue: never before it.
        self._members[eio_sid] = _Member(self._hub, socket, subscription, lambda: self._members.pop(eio_sid, None))

    async def on_disconnect(self, sid: str, reason: str) -> None:
        """Forget whoever left or vanished."""
        eio_sid = self._eio_sid(sid)
        member = self._members.pop(eio_sid, None)
        if member is not None:
            member.vanish()
            self.expect(eio_sid)  # it left by a packet of Socket.IO; the connection may stay, but not for long

    async def on_command(self, sid: str, text: str, wants_ack: bool) -> dict[str, Any] | None:
        """Carry out one emitted event. Returns what its callback gets."""
        member = self._members.get(self._eio_sid(sid))
        return None if member is None else await member.command(text, wants_ack)

    def _greet(self, auth: str | None) -> tuple[Principal, RoomId, Position | None]:
        if not auth:
            raise Unauthorized("the handshake's auth carries the token: {token, room, since?}")
        handshake = wire.decode_handshake(auth.encode())
        room = room_id(handshake.room)
        since = wire.optional(handshake.since)
        position = None if since is None else Position.parse(since)
        return self._hub.admit(wire.optional(handshake.token), room), room, position

    def _eio_sid(self, sid: str) -> str:
        eio_sid: str = self.server.manager.eio_sid_from_sid(sid, _DEFAULT)
        return eio_sid

    def _overdue(self, eio_sid: str) -> None:
        socket = self.server.eio.sockets.get(eio_sid)
        if socket is not None and not socket.closed and eio_sid not in self._members:
            task = asyncio.ensure_future(close(socket))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


class _Member:
    """One client in one room: a task that brings it events, and what it commands."""

    def __init__(self, hub: Hub, socket: Any, subscription: Subscription, forget: Any) -> None:
        self._hub = hub
        self._socket = socket
        self._subscription = subscription
        self._forget = forget
        self._conversation = Conversation(hub, subscription.lease.room)
        subscription.given_up = self._cut_off_later
        self._writing = asyncio.ensure_future(self._write())

    def vanish(self) -> None:
        """The connection is gone: stop writing, and end the membership."""
        self._writing.cancel()

    async def command(self, text: str, wants_ack: bool) -> dict[str, Any] | None:
        """Carry out one event; a refusal goes to the callback where there is one, else out as an event."""
        try:
            reply = await self._hub.post(self._subscription.principal, self._conversation.room, _chat(text), wire.ack)
            self._conversation.forgive()
        except RoomError as error:
            reply = wire.error(error)
            if not wants_ack:
                self._subscription.send_control(reply)
            if self._conversation.is_last_straw(error):
                self._subscription.end(error)
        return json.loads(reply) if wants_ack else None

    async def _write(self) -> None:
        ending: RoomError | None = None
        try:
            for packet in opening(self._hub, self._subscription):
                self._queue(packet)
            while packets := await self._subscription.take():
                for packet in packets:
                    self._queue(packet)
                await let_drain(self._socket)
        except RoomError as error:
            ending = error
        finally:
            self._forget()
            await self._hub.detach(self._subscription)
        await self._say_goodbye(ending)

    def _queue(self, packet: EnginePacket) -> None:
        # As AsyncSocket.send, which looks at the ping's time too: engineio's own task does that for us.
        if not self._socket.closed:
            self._socket.queue.put_nowait(packet)

    async def _say_goodbye(self, ending: RoomError | None) -> None:
        if ending is not None:
            self._queue(frame(wire.error(ending)))
        # On a disconnect packet a client stays away; one that only loses its connection comes back by itself.
        if not isinstance(ending, _COME_AGAIN):
            self._queue(EnginePacket(MESSAGE, "1"))
        await close(self._socket)

    def _cut_off_later(self) -> None:
        if "scope" in self._socket.session:
            cut_off_later(self._socket.session["scope"])


def _chat(text: str) -> bytes:
    """The body of the command in an emitted event. Raises BadRequest."""
    try:
        name, command = _EVENT.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        raise BadRequest("an event is an array of a name and one object: there is chat") from None
    if name != "chat":
        raise BadRequest(f"unknown event {name[:64]!r}: there is chat")
    return bytes(command)


app = LazyApp(lambda: create_app("socketio"))
