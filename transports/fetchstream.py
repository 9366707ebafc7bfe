"""Downstream an endless NDJSON response, which a browser reads with `fetch`; upstream POST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute

from core.hub import Hub
from transports.app import create_app
from transports.base import FastPath
from transports.downstream import stream_routes
from transports.lifespan import LazyApp
from transports.stream import StreamFormat, ndjson_line

FORMAT: Final = StreamFormat(
    "fetchstream", "/rooms/{room}/stream", "application/x-ndjson", ndjson_line, heartbeat=b"\n"
)
"""One event a line, the welcome first; an empty line says that the stream lives."""


class FetchStreamTransport:
    """Endless NDJSON."""

    def routes(self, hub: Hub, fast: FastPath | None = None) -> Sequence[BaseRoute]:
        """The stream, and the upstream half."""
        return stream_routes(hub, FORMAT, fast)


app = LazyApp(lambda: create_app("fetchstream"))
