"""Where the log of rooms and backplanes goes: where the server's own goes, from the server's level on."""

from __future__ import annotations

import logging
from typing import Final

_OURS: Final = "rtlab"
_SERVERS: Final = ("uvicorn.error", "hypercorn.error", "gunicorn.error")


def join_server_log() -> None:
    """Give the loggers `rtlab.*` the handlers and the level of the server that runs the app.

    Where they have handlers already, by a logging configuration, nothing is changed. Under a server whose log has
    another name Python shows their warnings.
    """
    ours = logging.getLogger(_OURS)
    if ours.hasHandlers():
        return
    for name in _SERVERS:
        server = logging.getLogger(name)
        if handlers := _handlers(server):
            ours.handlers = handlers
            ours.setLevel(server.getEffectiveLevel())
            return


def _handlers(logger: logging.Logger) -> list[logging.Handler]:
    at: logging.Logger | None = logger
    while at is not None and not at.handlers:
        at = at.parent if at.propagate else None
    return [] if at is None else list(at.handlers)
