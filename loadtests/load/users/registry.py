"""All user classes by name, imported when asked for: the stock libraries would slow every generator's start."""

from __future__ import annotations

from importlib import import_module

from loadtests.load.users.room_user import RoomUser
from loadtests.records.cell_spec import FOREIGN_USER

_RAW = "loadtests.load.users.transports"
_STOCK = "loadtests.load.users.stock_transports"

USER_CLASSES = {
    "WebSocketUser": _RAW,
    "SseUser": _RAW,
    "LongPollUser": _RAW,
    "ShortPollUser": _RAW,
    "SocketIoUser": _RAW,
    "Http2PushUser": _RAW,
    "Http2SseUser": _RAW,
    "StockWebSocketUser": _STOCK,
    "StockSseUser": _STOCK,
    "StockLongPollUser": _STOCK,
    "StockShortPollUser": _STOCK,
    "StockSocketIoUser": _STOCK,
}
"""Class name -> module. The locustfile offers the same names; a test holds the two equal.

FOREIGN_USER is none of them: it needs a cell with an adapter.
"""


def load_user_class(name: str) -> type[RoomUser]:
    """Import a user class; raises KeyError for a name that is neither FOREIGN_USER nor in USER_CLASSES."""
    module = "loadtests.load.users.foreign" if name == FOREIGN_USER else USER_CLASSES[name]
    user_class: type[RoomUser] = getattr(import_module(module), name)
    assert issubclass(user_class, RoomUser)
    return user_class
