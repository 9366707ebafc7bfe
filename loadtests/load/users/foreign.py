"""The user of a server that is not ours: what it says is in the cell's adapter."""

from __future__ import annotations

import time
from collections import deque

import gevent
from locust.env import Environment

from loadtests.load.clients import foreign, stamp
from loadtests.load.clients.base import Client, Closed, ConnectFailed, Event, offset_of, parse_endpoint
from loadtests.load.clients.foreign import AdaptedClient, ForeignPublishClient, ForeignWebSocketClient, Script, Session
from loadtests.load.clients.publish import PublishClient
from loadtests.load.users.connection import UserConnection
from loadtests.load.users.raw_user import REOPEN_S, PostingUser, RawUser
from loadtests.records.adapter import Adapter
from loadtests.records.schema import ABSENT_NS


class ForeignUser(PostingUser):
    """Listens by the adapter's protocol; publishes by POST on one connection at a time, or on its own WebSocket.

    On several connections at a time the server would not get the messages in their order. A server may end a connection
    with an answer, each one even: the next is opened at once, beforehand where it is known to, and takes what the old
    one was not to take any more. That is no reconnect: nothing was cut.
    """

    label = "foreign"
    batch_size = staticmethod(foreign.frames_in)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        adapter = self.cell.spec.adapter
        if adapter is None:
            raise ValueError("a foreign server needs an adapter; the cell has none")
        self._adapter: Adapter = adapter
        self._to_post: deque[tuple[str, str]] = deque()  # content and ref, for want of a connection that takes them
        self._in_turn = adapter.publish.in_turn
        self._one_post_each = False  # the server ends each connection after one answer
        self._left = False
        self._session = self._new_session()  # of the subscription
        self._script: Script | None = None  # the publisher's steps, taken once
        self._beats = False
        where = adapter.publish.target
        self._post_access = self.access._replace(endpoint=parse_endpoint(where)) if where else self.access

    @staticmethod
    def offset_at(position: str) -> int:
        """Nobody says it: `run.outages.placed` works it out."""
        return ABSENT_NS

    def new_client(self) -> Client:
        """Make the client of the next subscription; what a publisher learned from the last one is forgotten."""
        self._session = self._new_session()
        if self._adapter.publish.session:
            self._script = None
            while self._posts:
                self._posts.pop().close()
        return foreign.client(self._adapter, self.access, self.position, self._session)

    def new_post_client(self) -> PublishClient:
        """Make the client of the connection to publish on."""
        if self._script is None:
            session = self._session if self._adapter.publish.session else self._new_session()
            self._script = Script(self._adapter.publish.steps, session)
        return foreign.publish_client(self._adapter, self._post_access, self._script.session, self._script)

    def enter(self, timeout_s: float) -> None:
        """Connect to listen, and to publish where that goes over the same socket; else to POST."""
        adapter = self._adapter
        if adapter.publishes_over_socket or (adapter.publish.session and not self.slot.listens):
            RawUser.enter(self, timeout_s)
        if not adapter.publishes_over_socket:
            super().enter(timeout_s)
        if adapter.subscribe.heartbeat is not None and not self._beats:
            self._beats = True
            self._beat(adapter.subscribe.heartbeat.every_s)

    def leave(self) -> None:
        """Close every connection, and open none any more."""
        self._left = True
        super().leave()

    def publish(self, content: str, ref: str) -> None:
        """Send one message without waiting."""
        if not self._adapter.publishes_over_socket:
            self._to_post.append((content, ref))
            self._post()
        elif self.connection is not None and isinstance(self.connection.client, ForeignWebSocketClient):
            self.connection.send(self.connection.client.publish(content, ref))
            if not self.connection.client.acknowledges:
                self._take_as_accepted(ref)
        else:
            self.cell.note(f"{self.label} publication not sent: not connected")

    def answered(self, event: Event, read_ns: int) -> None:
        """Take the answer to a publication, and send what waited to see one."""
        super().answered(event, read_ns)
        if self._to_post:
            self._post()

    def _new_session(self) -> Session:
        return Session(self._adapter, self.access, self.slot.number)

    def _beat(self, every_s: float) -> None:
        """Say what the server wants to hear from time to time, until the user leaves."""
        client = self.connection.client if self.connection is not None else None
        if self.connection is not None and isinstance(client, ForeignWebSocketClient) and client.welcomed:
            self.connection.send(client.heartbeat())
        if not self._left:
            self.cell.alarms.at(time.monotonic_ns() + int(every_s * 1e9), lambda: self._beat(every_s))

    def _take_as_accepted(self, ref: str) -> None:
        # Nothing acknowledges it: what the server lost on the way in is counted with what it lost on the way out.
        sent = stamp.read_ref(ref)
        if sent is not None and self.publisher is not None:
            at = offset_of(foreign.message_id(sent[1]))
            self.publisher.publications.accept(sent[1], time.monotonic_ns(), at)

    def _post(self) -> None:
        """POST what the connection takes, and see to it that there is one, with another behind it if it takes one."""
        while self._to_post and self._posts:
            connection = self._posts[0]
            client = _client(connection)
            # Behind an answer that ends the connection nothing is taken: the first one shows whether it does.
            alone = self._in_turn or self._one_post_each or not client.answered
            if client.closed or (client.unanswered and alone):
                break
            if self._one_post_each and client.answered:
                self._posts.pop(0)
                connection.close()
            else:
                connection.send(client.publish(*self._to_post.popleft()))
        self._see_to_connections()

    def _see_to_connections(self, wait_s: float = 0.0) -> None:
        if not self._left and len(self._posts) + self._opening < 1 + self._one_post_each:
            self._opening += 1
            gevent.spawn_later(wait_s, self._reinforce)

    def _post_ended(self, connection: UserConnection, closed: Closed) -> None:
        client = _client(connection)
        self._to_post.extendleft(reversed(client.take_back()))
        self._one_post_each = self._one_post_each or client.answered == 1
        if not client.welcomed and client.successor is None:
            self.cell.note(f"{self.label} publisher refused: {closed}")
        super()._post_ended(connection, closed)
        if client.answered:
            self._post()
        else:  # not at once: it would do so again
            self._see_to_connections(REOPEN_S)

    def _reinforce(self) -> None:
        super()._reinforce()
        if self._left:
            super().leave()
        else:
            self._post()

    def _ended(self, closed: Closed) -> None:
        client = self.connection.client if self.connection is not None else None
        successor = client.successor if isinstance(client, AdaptedClient) else None
        if self.connection is None or successor is None:
            super()._ended(closed)
            return
        self._keep(self.connection)
        self.connection = None
        self.position = successor.position
        gevent.spawn(self._follow, successor)

    def _follow(self, client: Client) -> None:
        """Go on with the client of the next connection."""
        connection = self.new_connection(client, self._arrived, self._ended)
        self.connection = connection
        try:
            self.connect(connection, self.cell.spec.connect_timeout_s)
        except (ConnectFailed, OSError) as error:
            self.connection = None
            if self._welcome is None:
                self.lost(Closed(0, str(error)), 0)
        if self._left or self.connection is not connection:
            connection.close()


def _client(connection: UserConnection) -> ForeignPublishClient:
    assert isinstance(connection.client, ForeignPublishClient)
    return connection.client
