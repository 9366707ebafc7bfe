"""What a transport is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.routing import BaseRoute

from core.hub import Hub


@dataclass(frozen=True, slots=True)
class TransportInfo:
    """What a transport says of itself."""

    name: str
    server: str  # the ASGI server that can carry it
    duplex: bool  # whether commands go up the same connection
    resumes_by: str  # how a client says where it was
    direct: bool = True  # whether it writes to uvicorn's sockets itself, where it may
    parts: tuple[str, ...] = ()  # names of the transports that it is made of, if there are several


class Transport(Protocol):
    """One way to bring a room's events to a client. A new one is one file and one line in `registry`."""

    @property
    def info(self) -> TransportInfo:
        """Its name and nature."""
        ...

    def routes(self, hub: Hub) -> Sequence[BaseRoute]:
        """The routes that are its own; `app` adds those that all have."""
        ...
