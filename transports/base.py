"""What a transport is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.routing import BaseRoute

from core.hub import Hub


class Transport(Protocol):
    """One way to bring a room's events to a client. Its record in the catalogue says the rest about it."""

    def routes(self, hub: Hub) -> Sequence[BaseRoute]:
        """The routes that are its own; `app` adds those that all have."""
        ...
