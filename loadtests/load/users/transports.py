"""Users of transports that need more than a client and POST; and what the others are made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from locust.env import Environment

from core.catalogue import records
from loadtests.load.clients.base import Access, Client
from loadtests.load.clients.deflate import DeflateWebSocketClient
from loadtests.load.clients.http2 import Http2PublishClient
from loadtests.load.clients.polls import LongPollClient, ShortPollClient
from loadtests.load.clients.socketio import SocketIoClient
from loadtests.load.clients.websocket import WebSocketClient
from loadtests.load.users.publisher import NS_PER_S
from loadtests.load.users.raw_user import PostingUser, RawUser
from loadtests.records.cell_spec import poll_phase


class WebSocketUser(RawUser):
    """WebSocket both ways."""

    label = records()["websocket"].label

    def new_client(self) -> Client:
        """Make the client of the next connection."""
        made = DeflateWebSocketClient if self.cell.spec.deflate else WebSocketClient
        return made(self.access, self.position)

    def publish(self, content: str, ref: str) -> None:
        """Publish on the socket that events come from."""
        if self.connection is not None and isinstance(self.connection.client, WebSocketClient):
            self.connection.send(self.connection.client.publish(content, ref))
        else:
            self.cell.note(f"{self.label} publication not sent: not connected")


class SocketIoUser(WebSocketUser):
    """Socket.IO both ways, on its WebSocket from the start."""

    label = records()["socketio"].label

    def new_client(self) -> Client:
        """Make the client of the next connection."""
        return SocketIoClient(self.access, self.position)


class StreamUser(PostingUser):
    """A user of a transport that pushes: the client of the record down, POST up."""

    abstract = True
    client: ClassVar[Callable[[Access, str], Client]]

    def new_client(self) -> Client:
        """Make the client of the next connection."""
        return type(self).client(self.access, self.position)


class LongPollUser(PostingUser):
    """Held GETs down, POST up."""

    label = records()["longpoll"].label

    def new_client(self) -> Client:
        """Make the client of the next connection."""
        return LongPollClient(self.access, self.position, self.cell.spec.load.poll_wait_s)


class Http2User(StreamUser):
    """A user of a transport over HTTP/2: POSTs are streams of one connection."""

    abstract = True
    needs_tls = True

    def new_post_client(self) -> Http2PublishClient:
        """Make the client of the next connection to publish on."""
        return Http2PublishClient(self.access)


class ShortPollUser(PostingUser):
    """GETs on a fixed grid of `poll_interval_s`, the users' phases spread over it; POST up."""

    label = records()["shortpoll"].label

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._interval_ns = max(1, int(self.cell.spec.load.poll_interval_s * NS_PER_S))
        self._next_ns = 0

    def new_client(self) -> Client:
        """Make the client of the next connection."""
        return ShortPollClient(self.access, self.position)

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
