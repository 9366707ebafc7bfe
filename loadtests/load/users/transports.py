"""All user classes by name: those of transports that need more than a client and POST, and how the others are made.

Classes on stock libraries are imported only when asked for: those libraries would slow every generator's start.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Final

from locust.env import Environment

from core.catalogue import Record, records, resolve
from loadtests.load.clients.base import Client
from loadtests.load.clients.deflate import DeflateWebSocketClient
from loadtests.load.clients.http2 import Http2PublishClient
from loadtests.load.clients.polls import LongPollClient, ShortPollClient
from loadtests.load.clients.socketio import SocketIoClient
from loadtests.load.clients.websocket import WebSocketClient
from loadtests.load.users.publisher import NS_PER_S
from loadtests.load.users.raw_user import PostingUser, RawUser
from loadtests.load.users.room_user import RoomUser
from loadtests.records.cell_spec import FOREIGN_USER, poll_phase

_FOREIGN: Final = "loadtests.load.users.foreign"
_STOCK: Final = "loadtests.load.users.stock"

_RECORDS: Final = {record.load.user_name: record for record in records().values()}
MEASURING: Final = tuple(_RECORDS)
"""Names of the classes that measure."""
USER_CLASSES: Final = (*MEASURING, *(of.load.stock_user for of in _RECORDS.values() if of.load.stock_user))
"""Names of all classes, those on stock libraries last. The locustfile offers the same.

FOREIGN_USER is none of them: it needs a cell with an adapter.
"""
_STOCK_RECORDS: Final = {of.load.stock_user: of for of in _RECORDS.values() if of.load.stock_user}


class WebSocketUser(RawUser):
    """WebSocket both ways."""

    label = records()["websocket"].label
    client = WebSocketClient

    def new_client(self) -> Client:
        """Make the client of the next connection, with compression where the cell asks for it."""
        if self.cell.spec.deflate and self.client is WebSocketClient:
            return DeflateWebSocketClient(self.access, self.position)
        return super().new_client()

    def publish(self, content: str, ref: str) -> None:
        """Publish on the socket that events come from; before its welcome the server would refuse it."""
        connection = self.connection
        if connection is not None and isinstance(connection.client, WebSocketClient) and connection.client.welcomed:
            connection.send(connection.client.publish(content, ref))
        else:
            self.cell.note(f"{self.label} publication not sent: not connected")


class SocketIoUser(WebSocketUser):
    """Socket.IO both ways, on its WebSocket from the start."""

    label = records()["socketio"].label
    client = SocketIoClient


class LongPollUser(PostingUser):
    """Held GETs down, POST up."""

    label = records()["longpoll"].label

    def new_client(self) -> Client:
        """Make the client of the next connection."""
        return LongPollClient(self.access, self.position, self.cell.spec.load.poll_wait_s)


class Http2User(PostingUser):
    """A user of a transport over HTTP/2: POSTs are streams of one connection."""

    abstract = True
    needs_tls = True

    def new_post_client(self) -> Http2PublishClient:
        """Make the client of the next connection to publish on."""
        return Http2PublishClient(self.access)


class ShortPollUser(PostingUser):
    """GETs on a fixed grid of `poll_interval_s`, the users' phases spread over it; POST up."""

    label = records()["shortpoll"].label
    client = ShortPollClient

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._interval_ns = max(1, int(self.cell.spec.load.poll_interval_s * NS_PER_S))
        self._next_ns = 0

    def enter(self, timeout_s: float) -> None:
        """Connect; the first time, enter the grid too."""
        super().enter(timeout_s)
        if self.slot.listens and not self._next_ns:
            phase_ns = int(poll_phase(self.slot.number) * self._interval_ns)
            # The first instant of the grid after now: a phase of the clock, not of this user's arrival.
            now_ns = time.monotonic_ns()
            self._next_ns = now_ns + (phase_ns - now_ns) % self._interval_ns
            self.cell.alarms.at(self._next_ns, self._poll)

    def straggle_s(self) -> float:
        """One interval of the grid, and some of the next for the answer."""
        return 1.25 * self.cell.spec.load.poll_interval_s

    def leave(self) -> None:
        """Leave the grid and close the connections."""
        super().leave()
        self._next_ns = -1

    def _poll(self) -> None:
        if self._next_ns < 0:
            return
        self._next_ns += self._interval_ns
        self.cell.alarms.at(self._next_ns, self._poll)
        if self.connection is None or not isinstance(self.connection.client, ShortPollClient):
            return
        request = self.connection.client.poll()
        if not request:
            self.cell.note("SP poll skipped: the last one was not answered yet")
        self.connection.send(request)


def transport_of(user_class: type[RoomUser]) -> tuple[str, bool]:
    """Return the transport that a class, or what it is derived from, speaks, and whether by a stock library.

    The transport is empty where a class has a client of its own.
    """
    for base in user_class.__mro__:
        if record := _RECORDS.get(base.__name__):
            return record.name, False
        if record := _STOCK_RECORDS.get(base.__name__):
            return record.name, True
    return "", False


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
    base = Http2User if record.tls else PostingUser
    described = {"__module__": __name__, "__doc__": f"{record.title} down, POST up."}
    return type(
        record.load.user_name, (base,), described | {"label": record.label, "client": resolve(record.load.client)}
    )
