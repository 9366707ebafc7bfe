"""The baseline: a GET that never waits. The client decides how often it asks, and that is its latency."""

from __future__ import annotations

from transports.app import create_app
from transports.lifespan import LazyApp
from transports.longpoll import LongPollTransport


class ShortPollTransport(LongPollTransport):
    """Short polling: as long polling, with every wait cut to nothing."""

    name = "shortpoll"
    holds = False


app = LazyApp(lambda: create_app("shortpoll"))
