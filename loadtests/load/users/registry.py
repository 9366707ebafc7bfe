"""All user classes by name, imported when asked for: the stock libraries would slow every generator's start."""

from __future__ import annotations

from functools import cache
from typing import Final

from core.catalogue import Record, records, resolve
from loadtests.load.users.room_user import RoomUser
from loadtests.records.cell_spec import FOREIGN_USER

_FOREIGN: Final = "loadtests.load.users.foreign"
_STOCK: Final = "loadtests.load.users.stock"

_RECORDS: Final = {record.load.user_name: record for record in records().values()}
MEASURING: Final = tuple(_RECORDS)
"""Names of the classes that measure."""
USER_CLASSES: Final = (*MEASURING, *(of.load.stock_user for of in _RECORDS.values() if of.load.stock_user))
"""Names of all classes, those on stock libraries last. The locustfile offers the same.

FOREIGN_USER is none of them: it needs a cell with an adapter.
"""


@cache
def load_user_class(name: str) -> type[RoomUser]:
    """Import or make a user class; raises KeyError for a name that is neither FOREIGN_USER nor in USER_CLASSES."""
    if name not in (*USER_CLASSES, FOREIGN_USER):
        raise KeyError(name)
    record = _RECORDS.get(name)
    if record is not None and record.load.user == name:
        return _made(record)
    module = _FOREIGN if name == FOREIGN_USER else _STOCK
    user_class: type[RoomUser] = resolve(record.load.user if record is not None else f"{module}:{name}")
    assert issubclass(user_class, RoomUser)
    return user_class


def _made(record: Record) -> type[RoomUser]:
    """Make the class of a transport that needs no more than its client and POST."""
    from loadtests.load.users.transports import Http2User, StreamUser

    base = Http2User if record.tls else StreamUser
    members = {
        "label": record.label,
        "client": resolve(record.load.client),
        "__doc__": f"{record.title} down, POST up.",
    }
    return type(record.load.user_name, (base,), {"__module__": __name__, **members})
