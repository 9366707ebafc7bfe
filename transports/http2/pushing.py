"""Server push (RFC 9113, section 8.4): promise a path, then answer it, one promise after the other.

Portable: by the ASGI extension `http.response.push`. Hypercorn sends the promise and asks the app for the response by
a request of its own, which `layer` brings to `Promises.claim`. Direct: promise, head and body are written at once by
the same h2 connection, where the flow-control window takes them; the bytes are the same.

One after the other, because responses on several streams may overtake each other, and because a client whose window is
closed must cost no more than its outbox.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final
from weakref import WeakKeyDictionary

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.protocol.h2 import H2Protocol
from starlette.types import Send

from transports.caching import UNTOUCHED_FIELD

_FORGET_EVERY: Final = 64  # promises
_PUSHED_HEADERS: Final = ((b"content-type", b"application/json"), UNTOUCHED_FIELD)


class PushRefusedError(Exception):
    """The client takes no promises: it said SETTINGS_ENABLE_PUSH 0, or allows no stream that a server opens."""


class Promise:
    """One response that was promised, until it is handed over."""

    __slots__ = ("_body", "_done", "stream_id")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._done = asyncio.get_running_loop().create_future()
        self.stream_id = 0  # not known before the server asks for the response

    async def answer(self, send: Send, stream_id: int) -> None:
        """Be the app for the promised request. Returns when the client's window has taken all."""
        self.stream_id = stream_id
        head = [*_PUSHED_HEADERS, (b"content-length", b"%d" % len(self._body))]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": self._body})
        finally:
            self.settle()

    def settle(self) -> None:
        """Let whoever waits for it go on."""
        if not self._done.done():
            self._done.set_result(None)

    async def settled(self) -> None:
        """Wait until it is handed over or given up."""
        await self._done


class Promises:
    """What one connection was promised and is not answered yet."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Promise]] = {}

    def expect(self, path: str, promise: Promise) -> None:
        """Let the next request that the server itself makes for `path` be answered by `promise`."""
        self._waiting.setdefault(path, deque()).append(promise)

    def claim(self, path: str) -> Promise | None:
        """The promise that a request of the server's own is about; the oldest where two streams promised the same."""
        waiting = self._waiting.get(path)
        if not waiting:
            return None
        promise = waiting.popleft()
        if not waiting:
            del self._waiting[path]
        return promise

    def withdraw(self, path: str, promise: Promise) -> None:
        """Forget a promise; harmless when it was claimed."""
        waiting = self._waiting.get(path)
        if waiting is not None and promise in waiting:
            waiting.remove(promise)
            if not waiting:
                del self._waiting[path]


_PROMISES: WeakKeyDictionary[H2Protocol, Promises] = WeakKeyDictionary()


def promises_of(protocol: H2Protocol) -> Promises:
    """The promises of a connection."""
    return _PROMISES.setdefault(protocol, Promises())


class Pusher:
    """Promises on one request's stream."""

    __slots__ = ("_authority", "_current", "_promises", "_protocol", "_pushed", "_stream_id", "direct")

    def __init__(self, protocol: H2Protocol, stream_id: int, authority: bytes) -> None:
        self._protocol = protocol
        self._promises = promises_of(protocol)
        self._stream_id = stream_id
        self._authority = authority
        self._current: Promise | None = None
        self._pushed = 0
        self.direct = False

    @property
    def accepted(self) -> bool:
        """Whether the client takes promises at this moment."""
        settings = self._connection.remote_settings
        allowed = settings.max_concurrent_streams  # what the client leaves unsaid is no limit
        return bool(settings.enable_push) and (allowed is None or allowed > 0)

    @property
    def refusal(self) -> str:
        """What the client said instead, for people and for whoever measures clients."""
        settings = self._connection.remote_settings
        said = f"SETTINGS_ENABLE_PUSH {settings.enable_push}"
        if settings.enable_push:
            said += f" and SETTINGS_MAX_CONCURRENT_STREAMS {settings.max_concurrent_streams}"
        return f"server push needs a client that takes it: this one said {said}"

    async def push(self, path: str, body: bytes, send: Send) -> None:
        """Promise `path`, answer with `body`, and return once that is handed over. Raises PushRefusedError."""
        if not self.accepted:
            raise PushRefusedError
        self._forget_closed_streams()
        if self.direct and self._fits(body):
            await self._push_at_once(path, body)
            return
        promise = self._current = Promise(body)
        self._promises.expect(path, promise)
        try:
            await send({"type": "http.response.push", "path": path, "headers": []})
            await promise.settled()
        finally:
            self._promises.withdraw(path, promise)
            self._current = None

    async def said(self) -> None:
        """Wait until what was written on the request's own stream is handed over: a promise would overtake it."""
        buffer = self._protocol.stream_buffers.get(self._stream_id)
        if buffer is not None:
            await buffer.drain()

    async def give_up(self) -> None:
        """Reset the promised stream that the client's window holds back, if there is one."""
        promise = self._current
        if promise is not None:
            promise.settle()
            if promise.stream_id:
                await reset(self._protocol, promise.stream_id)

    @property
    def _connection(self) -> H2Connection:
        return self._protocol.connection

    def _fits(self, body: bytes) -> bool:
        connection = self._connection
        return len(body) <= min(
            connection.outbound_flow_control_window,
            connection.remote_settings.initial_window_size,
            connection.max_outbound_frame_size,
        )

    async def _push_at_once(self, path: str, body: bytes) -> None:
        connection = self._connection
        promised_id = connection.get_next_available_stream_id()
        request = [
            (b":method", b"GET"), (b":path", path.encode()), (b":scheme", b"https"), (b":authority", self._authority),
        ]  # fmt: skip
        try:
            connection.push_stream(self._stream_id, promised_id, request)
            head = [(b":status", b"200"), *_PUSHED_HEADERS, (b"content-length", b"%d" % len(body))]
            connection.send_headers(promised_id, head)
            connection.send_data(promised_id, body, end_stream=True)
        except ProtocolError:
            return  # the stream or the connection has just ended: its request ends next
        await self._protocol._flush()

    def _forget_closed_streams(self) -> None:
        # h2 forgets closed streams when it counts the open ones, and a server that only pushes is never asked to count.
        self._pushed += 1
        if self._pushed % _FORGET_EVERY == 0:
            _ = self._connection.open_outbound_streams


async def reset(protocol: H2Protocol, stream_id: int) -> None:
    """End a stream of which the client does not take what it was sent."""
    try:
        protocol.connection.reset_stream(stream_id, ErrorCodes.CANCEL)
    except ProtocolError:
        return  # closed meanwhile
    await protocol._flush()
    buffer = protocol.stream_buffers.get(stream_id)
    if buffer is not None:
        await buffer.close()
    await protocol._close_stream(stream_id)
