"""What Hypercorn knows of an HTTP/2 connection and keeps from its app, put where the app finds it.

Hypercorn offers `http.response.push` on every HTTP/2 request, also to a client that has switched push off, and drops
such a promise without a word; and it asks the app itself for each promised response, by a request like any other. So
the layer stands before everything else: it hands promised requests to who promised them, and gives all others what
they need to push and to be cut off.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import h2.events
import hypercorn.protocol
from hypercorn.events import Closed, Event
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.http_stream import HTTPStream
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from transports.http2.pushing import Pusher, promises_of, reset
from transports.uvicorn_edges.bounds import CONNECTION, holds_bytes

PUSHER: Final = "rtlab.pusher"


class LabH2Protocol(H2Protocol):
    """Hypercorn's, without two of its faults that a client can call forth."""

    async def handle(self, event: Event) -> None:
        """Take bytes, or the end, which also ends what waits for a flow-control window.

        Else a response that the window holds back waits for ever, and with it the connection's task and memory.
        """
        await super().handle(event)
        if isinstance(event, Closed):
            for buffer in tuple(self.stream_buffers.values()):
                await buffer.close()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        """Pass over the body of a request that was answered before it came.

        Else an early refusal is a KeyError that takes the connection with it.
        """
        for event in events:
            if isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            else:
                await super()._handle_events([event])
        await self._flush()


class Peer:
    """Whose request it is, with the names under which `bounds` knows uvicorn's protocols and their transports."""

    __slots__ = ("_protocol", "_stream_id", "_tasks", "_tcp", "loop")

    def __init__(self, stream: HTTPStream, protocol: Any) -> None:
        self._stream_id = stream.stream_id
        self._protocol = protocol
        self._tcp = protocol.send.__self__
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop = self._tcp.loop

    @property
    def transport(self) -> Peer:
        """Itself: what is cut off is a request; its connection may be others' too."""
        return self

    @property
    def tcp_nodelay(self) -> bool:
        """Whether Nagle's algorithm is off on the accepted socket, asked of the kernel."""
        accepted: socket.socket = self.get_extra_info("socket")
        return bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def get_extra_info(self, name: str) -> Any:
        """Of the connection's transport."""
        return self._tcp.writer.get_extra_info(name)

    def get_write_buffer_size(self) -> int:
        """Bytes that wait for the socket, or for the stream's flow-control window."""
        waiting: int = self._tcp.writer.transport.get_write_buffer_size()
        if isinstance(self._protocol, H2Protocol) and self._stream_id in self._protocol.stream_buffers:
            waiting += len(self._protocol.stream_buffers[self._stream_id].buffer)
        return waiting

    def abort(self) -> None:
        """Reset the stream; the connection where there are no streams, or where even the socket takes nothing."""
        transport = self._tcp.writer.transport
        if isinstance(self._protocol, H2Protocol) and not holds_bytes(transport):
            resetting = self.loop.create_task(reset(self._protocol, self._stream_id))
            self._tasks.add(resetting)
            resetting.add_done_callback(self._tasks.discard)
        else:
            transport.abort()


class Http2Layer:
    """Stands between Hypercorn and an app's own middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = getattr(send, "__self__", None)
        if isinstance(stream, HTTPStream):
            protocol = stream.send.__self__  # type: ignore[attr-defined]
            if isinstance(protocol, H2Protocol):
                if stream.stream_id % 2 == 0:  # only a server opens these (RFC 9113, section 5.1.1)
                    promise = promises_of(protocol).claim(scope["path"])
                    if promise is not None:
                        await promise.answer(send, stream.stream_id)
                    return
                scope["extensions"][PUSHER] = Pusher(protocol, stream.stream_id, _authority(scope))
            scope["extensions"][CONNECTION] = {"protocol": Peer(stream, protocol)}
        await self._app(scope, receive, send)


def with_http2(app: Starlette) -> Starlette:
    """Let Hypercorn serve an app as the other transports are served. Harmless under another server."""
    hypercorn.protocol.H2Protocol = LabH2Protocol  # type: ignore[attr-defined]  # no option takes a class
    app.middleware_stack = Http2Layer(app.build_middleware_stack())
    return app


def _authority(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"host"), b"")
