"""What we ask of uvicorn, wherever it hosts us: `rtlab serve` and plain `uvicorn transports.NAME:app` alike.

uvicorn has no API for an app to set these, so its running server is found the way sse-starlette finds it: it is the
owner of the SIGTERM handler. Under another server nothing here applies, and the app runs on that server's settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence, Set
from functools import partial
from types import FrameType
from typing import Any, Final

from uvicorn import Config, Server
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.settings import Settings
from transports.base import Protocols
from transports.uvicorn_edges.bounds import holds_bytes, limit_unacknowledged

_log: Final = logging.getLogger("rtlab.app")

KEEP_ALIVE_S: Final = 75  # pollers come back within a wait; a new connection per poll would be another experiment
ACCEPTS_PER_TURN: Final = 48
DRAIN_SHARE: Final = 0.7  # of the drain time, for clients to go; the rest is for ending those that will not
LOOK_SHARE: Final = 0.1  # of the drain time, between two looks at the connections that are left

_TICK_S: Final = 1.0  # between two looks of a server at its clock
_TOLD_S: Final = 0.1  # for clients to be told that it ends, before uvicorn closes their WebSockets without a reason
_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_LARGE_BYTES: Final = 65_536
_YOUNG_OBJECTS: Final = 10_000  # made and not freed, before the collector looks at them
_YOUNG_LOOKS: Final = 100  # before it looks again at all that it has seen once


def hosting_server() -> Server | None:
    """The uvicorn server that runs this app, if one does."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, Server) else None


def adopt(server: Server, settings: Settings, protocols: Protocols, drain: Callable[[], None]) -> None:
    """Set up a server that has not begun to listen: heartbeats, limits, and a drain before the shutdown."""
    config = server.config
    config.ws_ping_interval = config.ws_ping_timeout = settings.heartbeat_s
    config.ws_max_size = settings.max_bytes
    config.ws_per_message_deflate = settings.deflate
    config.timeout_keep_alive = KEEP_ALIVE_S
    config.timeout_graceful_shutdown = settings.drain_s * DRAIN_SHARE  # type: ignore[assignment]
    config.http_protocol_class, config.ws_protocol_class = protocols
    if isinstance(config.loaded_app, ProxyHeadersMiddleware):  # by default it believes whoever is on this machine
        config.loaded_app = config.loaded_app.app
    loop = asyncio.get_running_loop()
    if config.is_ssl and isinstance(loop, asyncio.BaseEventLoop):  # uvloop's is none
        _log.warning("asyncio's own event loop keeps 256 KiB for each TLS connection; install uvloop")

    if config.is_ssl:
        keep_large_buffers_apart()

    def exit_soon(signal_number: int, stack: FrameType | None) -> None:
        # uvicorn would only begin to wait for streams that never end: they are ended first. Its own handler is not
        # called, since it raises the signal again after a clean exit, which makes that exit look like a kill.
        if server.should_exit and signal_number == signal.SIGINT:
            server.force_exit = True
        server.should_exit = True
        loop.call_soon_threadsafe(end)

    def end() -> None:
        # Before anybody is told, or who comes back at once is refused here. Before it listens uvicorn has no `servers`.
        for listening in getattr(server, "servers", ()):
            listening.close()
        drain()
        if config.is_ssl:
            _cut_off_silent(server, loop, settings.drain_s * LOOK_SHARE)

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, exit_soon)
    _spare_garbage_collector()


def keep_large_buffers_apart() -> None:
    """Let the C library map each buffer of 64 KiB or more by itself. Nothing happens where it is not glibc.

    uvloop has a buffer of 256 KiB for each TLS connection, of which a few pages are ever touched. As soon as one was
    freed, glibc would take the next ones from its heap, whose pages were touched before: 51 KiB a connection, not 30.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def _cut_off_silent(
    server: Server, loop: asyncio.AbstractEventLoop, every_s: float, closed: Set[object] = frozenset()
) -> None:
    """From now on cut off who was `closed` a look ago, and has been sent all that is for it.

    TLS waits half a minute for such a peer to close too, which it need not do (RFC 8446, section 6.1); TCP does not.
    """
    closing = {each for each in server.server_state.connections if each.transport.is_closing()}
    for each in closing & closed:
        if not holds_bytes(each.transport):
            each.transport.abort()
    loop.call_later(every_s, _cut_off_silent, server, loop, every_s, closing)


def _spare_garbage_collector() -> None:
    """Keep what a server is made of out of the collector's sight, and let it look less often.

    A full collection walks every object: with a thousand connections that is a pause in every subscriber's latency.
    Connections are freed by their reference counts; what is left to the collector is little.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _YOUNG_LOOKS)


class PunctualServer(Server):
    """uvicorn's server, which bounds connections before they come, and says that it listens as soon as it does."""

    def __init__(
        self,
        config: Config,
        heartbeat_s: float,
        listening: Callable[[], None],
        plain: Sequence[socket.socket] = (),
    ) -> None:
        """Prepare to listen. On `plain` it listens without TLS, whatever the config says of the other sockets."""
        self._exit = asyncio.Event()
        super().__init__(config)
        self._heartbeat_s = heartbeat_s
        self._listening = listening
        self._plain = plain

    @property
    def should_exit(self) -> bool:
        """As uvicorn's, which looks at it ten times a second: to wake up so often is most of an idle server's work."""
        return self._exit.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        (self._exit.set if value else self._exit.clear)()

    async def main_loop(self) -> None:
        """As uvicorn's, once a second. It is left soon after it should exit: the drain has begun by then."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._exit.wait()
        await asyncio.sleep(_TOLD_S)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, then listen; a failed start is not announced."""
        for listener in (*(sockets or ()), *self._plain):
            limit_unacknowledged(listener, self._heartbeat_s)
        await super().startup(sockets)
        if self.started:
            await self._listen_without_tls()
            self._listening()

    async def _listen_without_tls(self) -> None:
        config, loop = self.config, asyncio.get_running_loop()
        make: Any = config.http_protocol_class  # as uvicorn calls it; its type there is asyncio.Protocol's
        protocol = partial(make, config=config, server_state=self.server_state, app_state=self.lifespan.state)
        for listener in self._plain:
            self.servers.append(await loop.create_server(protocol, sock=listener, backlog=config.backlog))


def several(listener: socket.socket) -> list[socket.socket]:
    """The listening socket many times over, for a loop that accepts one connection per turn and socket, as libuv does.

    A turn that writes to thousands of sockets is long, and connections would else wait for one such turn each.
    """
    return [listener, *(listener.dup() for _ in range(ACCEPTS_PER_TURN - 1))]


def tcp_nodelay(server: Server | None, client: tuple[str, int] | None) -> bool | None:
    """Whether Nagle's algorithm is off on the accepted socket of `client`, asked of the kernel; None if unknown."""
    if server is None or client is None:
        return None
    for connection in server.server_state.connections:
        peer = getattr(connection, "client", None)
        if peer is not None and tuple(peer) == tuple(client):
            accepted = connection.transport.get_extra_info("socket")
            return bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    return None
