"""All stand-ins in one server, and how a test runs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from loadtests.run.servers import free_port
from tests.standins import centrifugo, mercure, phoenix, signalr, streams

_STARTED_S = 10.0

app = Starlette(
    routes=[
        WebSocketRoute("/socket/websocket", phoenix.phoenix),
        WebSocketRoute("/connection/websocket", centrifugo.centrifugo),
        Route("/api/publish", centrifugo.centrifugo_publish, methods=["POST"]),
        Route("/chat/negotiate", signalr.negotiate, methods=["POST"]),
        WebSocketRoute("/chat", signalr.signalr),
        Route(mercure.PATH, mercure.hub, methods=["GET", "POST"]),
        Route("/{way}/{room}", streams.habits, methods=["GET", "POST"]),
    ]
)


@contextmanager
def running(host: str = "127.0.0.1", certfile: Path | None = None, keyfile: Path | None = None) -> Iterator[str]:
    """Serve them in a thread; yield the base URL."""
    port = free_port()
    config = uvicorn.Config(
        app, host, port, log_config=None, ws="websockets-sansio", ws_ping_interval=None,
        timeout_graceful_shutdown=0, ssl_certfile=certfile, ssl_keyfile=keyfile,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline_s = time.monotonic() + _STARTED_S
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    try:
        yield f"{'https' if certfile else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(5)
