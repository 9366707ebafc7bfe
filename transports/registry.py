"""The servers of the catalogue by name, imported when asked for; and `all`, which serves several on one port."""

from __future__ import annotations

from typing import Final

from core.catalogue import Record, records, resolve
from transports.base import Transport

_ALL: Final = "all"
_ALL_TRANSPORTS: Final = "transports.all:AllTransports"

SERVED: Final[dict[str, Record]] = {name: record for name, record in records().items() if not record.server.variant_of}
"""The transports that have a server of their own."""
TRANSPORTS: Final = (*SERVED, _ALL)


class UnknownTransportError(ValueError):
    """No transport has that name."""


def load(name: str) -> Transport:
    """Import and make a transport. Raises UnknownTransportError."""
    if name not in TRANSPORTS:
        raise UnknownTransportError(f"no transport is named {name!r}: there are {', '.join(TRANSPORTS)}")
    transport: Transport = resolve(_ALL_TRANSPORTS if name == _ALL else SERVED[name].server.implementation)()
    return transport


def parts(name: str) -> tuple[str, ...]:
    """Return the transports that a server carries: one, or for `all` what one uvicorn can serve, each path once."""
    if name != _ALL:
        return (name,)
    by_path: dict[str, str] = {}
    for record in SERVED.values():
        if record.server.http2 != "required":
            by_path.setdefault(record.server.endpoint, record.name)
    return tuple(by_path.values())
