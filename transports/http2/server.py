"""Run an app by Hypercorn as `transports.hosting` lets uvicorn run it: same bounds, same drain, same exit."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette

from core.settings import Settings
from transports.bounds import limit_unacknowledged
from transports.hosting import DRAIN_SHARE, KEEP_ALIVE_S
from transports.http2.layer import with_http2

_HANDSHAKE_S: Final = 10
_BACKLOG: Final = 2048
_NO_LIMIT: Final = 2**31  # of requests per connection: promises count, and the connection of a subscriber is to last
_STREAMS: Final = 250  # of one connection at a time: more tabs than anybody has


def run(app: Starlette, listener: socket.socket, tls: ssl.SSLContext, settings: Settings, log_level: str) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT, then drain: gone within `settings.drain_s`, whoever stays."""
    with_http2(app)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    limit_unacknowledged(listener, settings.heartbeat_s)  # accepted sockets inherit it
    config = _config(listener, tls, settings, log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(app, config, lambda: app.state.drain(), settings.drain_s))


async def _serve(app: Starlette, config: Config, drain: Callable[[], None], drain_s: float) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_quiet_about_clients)
    ending = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, ending.set)

    async def drained() -> None:
        await ending.wait()
        drain()  # streams are ended first: Hypercorn would only wait for them

    served: Any = app  # Hypercorn spells the types of ASGI otherwise than Starlette
    serving = asyncio.ensure_future(serve(served, config, shutdown_trigger=drained))
    told = asyncio.ensure_future(ending.wait())
    await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
    # Closing TLS politely takes a peer that answers, and nobody is waited for longer than the drain.
    await asyncio.wait({serving}, timeout=drain_s)
    told.cancel()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


class _TlsConfig(Config):
    """Hypercorn's settings with a TLS context that is there already."""

    tls: ssl.SSLContext

    @property
    def ssl_enabled(self) -> bool:
        """Always."""
        return True

    def create_ssl_context(self) -> ssl.SSLContext:
        """As it was given."""
        return self.tls


def _config(listener: socket.socket, tls: ssl.SSLContext, settings: Settings, log_level: str) -> Config:
    config = _TlsConfig()
    config.tls = tls
    config.bind = f"fd://{listener.detach()}"
    config.loglevel = log_level
    config.accesslog = "-" if log_level in ("info", "debug") else None
    config.backlog = _BACKLOG
    config.ssl_handshake_timeout = _HANDSHAKE_S
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = _NO_LIMIT
    config.h2_max_concurrent_streams = _STREAMS
    config.graceful_timeout = settings.drain_s * DRAIN_SHARE
    config.include_server_header = False
    config.include_date_header = False  # it would stand in every promise too, as a header of the request
    return config


def _quiet_about_clients(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what went wrong here; a failed handshake or a reset is the client's affair."""
    if not isinstance(context.get("exception"), ssl.SSLError | ConnectionError | TimeoutError):
        loop.default_exception_handler(context)
