"""The baseline: a GET that never waits. The client decides how often it asks, and that is its latency."""

from __future__ import annotations

from typing import Any

from transports.app import create_app
from transports.base import TransportInfo
from transports.longpoll import LongPollTransport


class ShortPollTransport(LongPollTransport):
    """Short polling: as long polling, with every wait cut to nothing."""

    info = TransportInfo("shortpoll", "any ASGI server", duplex=False, resumes_by="?since=")
    holds = False


def __getattr__(name: str) -> Any:
    if name == "app":
        return create_app("shortpoll")
    raise AttributeError(name)
