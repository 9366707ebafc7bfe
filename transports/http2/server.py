"""Run an app by Hypercorn's protocols as `transports.hosting` lets uvicorn run it: same bounds, same drain, same exit.

Hypercorn's own `serve` is not used: its shutdown waits for clients that never go, and says so in tracebacks.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

import uvloop
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Event, Updated
from starlette.applications import Starlette

from core.settings import Settings
from transports.hosting import DRAIN_SHARE, KEEP_ALIVE_S
from transports.http2.layer import with_http2
from transports.uvicorn_edges.bounds import limit_unacknowledged

_HANDSHAKE_S: Final = 10
_BACKLOG: Final = 2048
_NO_LIMIT: Final = 2**31  # of requests per connection: promises count, and the connection of a subscriber is to last
_STREAMS: Final = 250  # of one connection at a time: more tabs than anybody has


def run(
    app: Starlette,
    listener: socket.socket,
    tls: ssl.SSLContext,
    settings: Settings,
    log_level: str,
    listening: Callable[[], None],
) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT, then drain: gone within `settings.drain_s`, whoever stays.

    `listening` is called when it does.
    """
    with_http2(app)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    limit_unacknowledged(listener, settings.heartbeat_s)  # accepted sockets inherit it
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(app, listener, tls, _config(log_level), settings.drain_s, listening))


async def _serve(
    app: Starlette,
    listener: socket.socket,
    tls: ssl.SSLContext,
    config: Config,
    drain_s: float,
    listening: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_quiet_about_clients)
    ending = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, ending.set)
    connections = _Connections(app, config)
    async with app.router.lifespan_context(app):
        server = await asyncio.start_server(
            connections.hold, sock=listener, ssl=tls, backlog=_BACKLOG, ssl_handshake_timeout=_HANDSHAKE_S
        )
        listening()
        await ending.wait()
        server.close()
        app.state.drain()  # streams are sent the reason
        await connections.end(drain_s)


class _Connection(TCPServer):
    """Hypercorn's, but gone when its peer is: else its socket and tasks stay for the rest of the keep-alive time."""

    _peer_gone = False

    async def protocol_send(self, event: Event) -> None:
        """Take what the protocol has for the peer; that it is idle now is no news any more once the peer is gone."""
        if not (self._peer_gone and isinstance(event, Updated)):
            await super().protocol_send(event)

    async def _read_data(self) -> None:
        await super()._read_data()
        self._peer_gone = True
        await self.idle_task.stop()


class _Connections:
    """Hypercorn's connections, so that they can be ended."""

    def __init__(self, app: Starlette, config: Config) -> None:
        served: Any = app  # Hypercorn spells the types of ASGI otherwise than Starlette
        self._app = ASGIWrapper(served)
        self._config = config
        self._context = WorkerContext(None)
        self._writers: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._writers[task] = writer
        try:
            await _Connection(self._app, asyncio.get_running_loop(), self._config, self._context, {}, reader, writer)
        except* (OSError, ssl.SSLError, TimeoutError):
            pass  # the peer's affair
        finally:
            del self._writers[task]

    async def end(self, within_s: float) -> None:
        """Let connections finish, idle ones at once; cut off the rest after most of the time, then cancel."""
        await self._context.terminated.set()
        await _wait(self._writers, within_s * DRAIN_SHARE)
        for writer in tuple(self._writers.values()):
            writer.transport.abort()
        await _wait(self._writers, within_s * (1 - DRAIN_SHARE) / 2)
        for task in tuple(self._writers):
            task.cancel()
        await _wait(self._writers, within_s * (1 - DRAIN_SHARE) / 2)


async def _wait(tasks: Iterable[asyncio.Task[Any]], timeout_s: float) -> None:
    if waited := tuple(tasks):
        await asyncio.wait(waited, timeout=timeout_s)


def _config(log_level: str) -> Config:
    config = Config()
    config.loglevel = log_level
    config.accesslog = "-" if log_level in ("info", "debug") else None
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = _NO_LIMIT
    config.h2_max_concurrent_streams = _STREAMS
    config.include_server_header = False
    config.include_date_header = False  # it would stand in every promise too, as a header of the request
    return config


def _quiet_about_clients(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what went wrong here; a failed handshake or a reset is the client's affair."""
    if not isinstance(context.get("exception"), ssl.SSLError | OSError):
        loop.default_exception_handler(context)
