"""Every transport by name, imported when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from transports.base import Transport

TRANSPORTS: Final = {
    "websocket": "transports.websocket:WebSocketTransport",
    "sse": "transports.sse:SseTransport",
    "longpoll": "transports.longpoll:LongPollTransport",
    "shortpoll": "transports.shortpoll:ShortPollTransport",
    "h2push": "transports.h2push:PushTransport",
    "socketio": "transports.socketio:SocketIoTransport",
    "all": "transports.all:AllTransports",
}


class UnknownTransportError(ValueError):
    """No transport has that name."""


def load(name: str) -> Transport:
    """Import and make a transport. Raises UnknownTransportError."""
    try:
        module, _, attribute = TRANSPORTS[name].partition(":")
    except KeyError:
        raise UnknownTransportError(f"no transport is named {name!r}: there are {', '.join(TRANSPORTS)}") from None
    transport: Transport = getattr(import_module(module), attribute)()
    return transport
