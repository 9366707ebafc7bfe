"""Where the log of rooms, backplanes and servers goes: where the server's own goes, from the level that was asked."""

from __future__ import annotations

import logging
from typing import Final

from uvicorn.logging import DefaultFormatter

_OURS: Final = "rtlab"
_SERVERS: Final = ("uvicorn.error", "hypercorn.error", "gunicorn.error")


def log_from(level: str) -> None:
    """Write the loggers `rtlab.*` to standard error from this level on, in uvicorn's format: for `rtlab serve`.

    Needed before there is a server: Python itself would show warnings whatever the level, and nothing below them.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(DefaultFormatter("%(levelprefix)s %(message)s"))
    ours = logging.getLogger(_OURS)
    ours.handlers = [handler]
    ours.setLevel(level.upper())


def join_server_log() -> None:
    """Give the loggers `rtlab.*` the handlers and the level of the server that runs the app.

    Where they have handlers already, by `log_from` or a logging configuration, nothing is changed. Under a server whose
    log has another name Python shows their warnings.
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
