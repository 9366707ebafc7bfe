"""Room users on raw sockets: kernel stamps, one watcher per socket. These are the ones that measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import gevent
from gevent.hub import Waiter
from locust.env import Environment

from loadtests.load.clients.base import Arrival, Client, Closed, ConnectFailed, offset_of
from loadtests.load.clients.http2 import Http2PublishClient
from loadtests.load.clients.publish import PublishClient
from loadtests.load.clients.sockets import SocketTotals
from loadtests.load.clients.tls import TlsPipe
from loadtests.load.users.connection import UserConnection
from loadtests.load.users.room_user import RoomUser

REOPEN_S = 0.2


class RawUser(RoomUser):
    """A room user whose events come over one `UserConnection`."""

    abstract = True
    client: ClassVar[type[Client]]
    offset_at = staticmethod(offset_of)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.connection: UserConnection | None = None
        self._past: SocketTotals | None = None  # of connections that are gone
        self._welcome: Waiter | None = None

    def new_client(self) -> Client:
        """Make the client of the next connection."""
        return self.client(self.access, self.position)

    def new_connection(
        self, client: Client, arrived: Callable[[list[Arrival], int, int], None], ended: Callable[[Closed], None]
    ) -> UserConnection:
        """Make the connection of a client, over TLS where the server's address says so."""
        endpoint = client.access.endpoint
        tls = TlsPipe(self.cell.tls(endpoint, client.alpn), endpoint.host, client.alpn) if endpoint.secure else None
        return UserConnection(client, self.cell.clock, self.cell.readers, self.cell.inbox, arrived, ended, tls)

    def connect(self, connection: UserConnection, timeout_s: float) -> None:
        """Open a connection to the first of the server's addresses that takes it, e.g. both of localhost.

        Raises ConnectFailed with what each address said, and OSError where the host has none.
        """
        endpoint = connection.client.access.endpoint
        addresses = self.cell.addresses(endpoint)
        failures: list[str] = []
        for place, address in enumerate(addresses):
            try:
                connection.open(address, timeout_s / (len(addresses) - place))
            except (ConnectFailed, OSError) as error:
                failures.append(str(error))
            else:
                self.cell.prefer(endpoint, address)
                return
        raise ConnectFailed("; ".join(failures), retryable=True)

    def enter(self, timeout_s: float) -> None:
        """Connect and wait for the welcome, or a poll's first answer."""
        connection = self.connection = self.new_connection(self.new_client(), self._arrived, self._ended)
        welcome = self._welcome = Waiter()
        limit = gevent.Timeout(timeout_s)
        limit.start()
        try:
            self.connect(connection, timeout_s)
            # Who needs no sign of the server is welcome before anything comes.
            closed = None if connection.client.welcomed else welcome.get()
        except OSError as error:
            raise ConnectFailed(f"{self.access.endpoint.host}: {error}", retryable=True) from error
        except gevent.Timeout as timeout:
            connection, self.connection = self.connection or connection, None
            connection.close()
            if timeout is not limit:
                raise
            lacks = f": {connection.client.lacks}" if connection.client.lacks else ""
            raise ConnectFailed(f"no welcome within {timeout_s:.1f} s{lacks}", retryable=True) from None
        finally:
            limit.close()
            self._welcome = None
        if closed is not None:
            raise ConnectFailed(str(closed), retryable=closed.retryable)

    def leave(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self._keep(self.connection)
            self.connection.close()
            self.connection = None

    def pull_cable(self) -> bool:
        """Cut the connection that events come over, without a word."""
        if not self._joined or self.connection is None or not self.connection.is_open:
            return False
        self.connection.pull()
        self._note_left()
        return True

    def plug_in(self) -> int | None:
        """Give the cut connection up and wake the user's greenlet, which connects anew."""
        connection = self.connection
        if connection is None:
            return None
        self.position = connection.client.position
        RawUser.leave(self)  # what a class adds to it ends the user, not the connection
        self.plugged_in()
        return self.offset_at(self.position)

    def joined_offset(self) -> int:
        """The offset after which the events of this connection begin."""
        assert self.connection is not None
        return self.offset_at(self.connection.client.joined)

    def socket_totals(self) -> SocketTotals | None:
        """TCP_INFO over all connections so far."""
        return _add(self._past, self.connection.totals() if self.connection is not None else None)

    def _arrived(self, arrivals: list[Arrival], kernel_ns: int, user_ns: int) -> None:
        if self._welcome is not None and self.connection is not None and self.connection.client.welcomed:
            welcome, self._welcome = self._welcome, None
            welcome.switch(None)
        if arrivals:
            self.record(arrivals, kernel_ns, user_ns)

    def _ended(self, closed: Closed) -> None:
        connection = self.connection
        if connection is None:
            return
        self._keep(connection)
        self.connection = None
        self.position = connection.client.position
        if self._welcome is not None:
            self._welcome.switch(closed)
        else:
            self.lost(closed, connection.client.retry_ms)

    def _keep(self, connection: UserConnection) -> None:
        """Keep the counts of a connection that is about to go."""
        self._past = _add(self._past, connection.totals())
        self.note_gaps(connection.client.told_gaps)


class PostingUser(RawUser):
    """A user of a transport that only receives: it publishes by POST.

    A message goes to the connection with the fewest unanswered ones; while none is idle, another connection is opened
    behind the scenes, up to `max_post_connections`. Past that POSTs queue behind each other in the server, never here.
    """

    abstract = True
    max_post_connections: ClassVar[int] = 4

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._posts: list[UserConnection] = []
        self._opening = 0

    def new_post_client(self) -> PublishClient | Http2PublishClient:
        """Make the client of the next connection to publish on."""
        return PublishClient(self.access)

    def enter(self, timeout_s: float) -> None:
        """Open the stream where this user listens, and a connection to publish on where it publishes."""
        if self.slot.listens:
            super().enter(timeout_s)
        if self.slot.publisher >= 0 and not self._posts:
            self._posts.append(self._open_post(timeout_s))

    def prepare_to_publish(self, timeout_s: float) -> None:
        """Open a connection to publish on."""
        if not self._posts:
            self._posts.append(self._open_post(timeout_s))

    def publish(self, content: str, ref: str) -> None:
        """POST without waiting; with no connection at all the message stays unanswered, and counts so."""
        idle_at_best = 1
        if self._posts:
            connection = min(self._posts, key=_unanswered)
            idle_at_best = _unanswered(connection)
            client = connection.client
            assert isinstance(client, PublishClient | Http2PublishClient)
            connection.send(client.publish(content, ref))
        else:
            self.cell.note(f"{self.label} publication not sent: no connection to POST on")
        if idle_at_best and len(self._posts) + self._opening < self.max_post_connections:
            self._opening += 1
            gevent.spawn(self._reinforce)

    def leave(self) -> None:
        """Close the stream and the POST connections."""
        super().leave()
        for connection in self._posts:
            connection.close()
        self._posts.clear()

    def _open_post(self, timeout_s: float) -> UserConnection:
        connection = self.new_connection(
            self.new_post_client(), self.record, lambda closed: self._post_ended(connection, closed)
        )
        self.connect(connection, timeout_s)
        return connection

    def _post_ended(self, connection: UserConnection, closed: Closed) -> None:
        if connection in self._posts:
            self._posts.remove(connection)
        if unanswered := _unanswered(connection):
            self.cell.note(f"{self.label} POST connection ended with {unanswered} unanswered: {closed}")

    def _reinforce(self) -> None:
        try:
            self._posts.append(self._open_post(self.cell.spec.connect_timeout_s))
        except ConnectFailed as error:
            self.cell.note(f"{self.label} POST connection failed: {error}")
            gevent.sleep(REOPEN_S)
        finally:
            self._opening -= 1


def _unanswered(connection: UserConnection) -> int:
    assert isinstance(connection.client, PublishClient | Http2PublishClient)
    return connection.client.unanswered


def _add(left: SocketTotals | None, right: SocketTotals | None) -> SocketTotals | None:
    if left is None or right is None:
        return left or right
    return SocketTotals(*(ours + theirs for ours, theirs in zip(left, right, strict=True)))
