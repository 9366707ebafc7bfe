"""Room users on stock libraries: what everybody else's client does, to prove conformance. They do not measure.

A greenlet per socket reads and stamps in Python, so their latencies hold the generator's own queue; there is no kernel
stamp, and `wire_bytes` counts what the library lets us see.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
from gevent.event import AsyncResult
from gevent.pool import Group
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from loadtests.load.clients.base import Arrival, Client, ClientError, Closed, ConnectFailed, Event, decode_event
from loadtests.load.users.room_user import RoomUser
from loadtests.records.schema import ABSENT_NS


class StockUser(RoomUser):
    """A room user whose class says how to `receive` with its library."""

    abstract = True
    lost_errors: tuple[type[Exception], ...] = (OSError,)
    """What the library raises when the connection is refused or lost."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.tracker = Client(self.access)
        self.greenlets = Group()

    def receive(self, timeout_s: float) -> Iterator[list[Arrival]]:
        """Connect, resuming after `position`, and yield what each read brings, until the connection ends.

        Raises `lost_errors`, or ClientError. The first thing yielded means that the user is in.
        """
        raise NotImplementedError

    def enter(self, timeout_s: float) -> None:
        """Start to receive; return with the welcome."""
        self.tracker = Client(self.access, self.position)
        welcome = AsyncResult()
        reader = self.greenlets.spawn(self._read, welcome, timeout_s)
        try:
            closed = welcome.get(timeout=timeout_s)
        except gevent.Timeout:
            reader.kill()
            raise ConnectFailed(f"no welcome within {timeout_s:.1f} s", retryable=True) from None
        if closed is not None:
            raise ConnectFailed(str(closed), retryable=closed.retryable)

    def leave(self) -> None:
        """End all greenlets, and their connections with them."""
        self.cell.told_gaps += self.tracker.told_gaps
        self.tracker.told_gaps = 0
        self.greenlets.kill(block=False)

    def _read(self, welcome: AsyncResult, timeout_s: float) -> None:
        closed = Closed(0, "connection ended by the server")
        try:
            for arrivals in self.receive(timeout_s):
                user_ns = time.monotonic_ns()
                for event, _ in arrivals:
                    self.tracker.follow(event)
                if not welcome.ready():
                    welcome.set(None)
                self.record(arrivals, ABSENT_NS, user_ns)
        except ClientError as error:
            closed = self.tracker.closed or Closed(0, str(error))
        except self.lost_errors as error:
            closed = self.tracker.closed or Closed(0, f"{type(error).__name__}: {error}")
        self.position = self.tracker.position
        if welcome.ready():
            self.cell.told_gaps += self.tracker.told_gaps
            self.tracker.told_gaps = 0
            self.lost(closed, self.tracker.retry_ms)
        else:
            welcome.set(closed)


class StockPostingUser(StockUser, FastHttpUser):
    """Publishes by Locust's own FastHttpUser client, one greenlet per POST."""

    abstract = True

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.access.token}"}

    def enter(self, timeout_s: float) -> None:
        """Receive where this user listens; who only talks has nothing to open."""
        if self.seat.listens:
            super().enter(timeout_s)

    def talk(self, content: str, ref: str) -> None:
        """POST in a greenlet of its own: the hub cannot wait."""
        self.greenlets.spawn(self._post, content, ref)

    def _post(self, content: str, ref: str) -> None:
        path = f"/rooms/{self.access.room}/messages"
        body = {"content": content, "ref": ref}
        response = self.client.post(path, json=body, headers=self.headers, name="POST /rooms/[room]/messages")
        # Status 0 is FastHttpUser's word for no answer at all: what became of the message nobody knows.
        if not response.status_code:
            self.cell.note(f"{self.label} publication not answered: no connection")
            return
        if response.status_code == 202:
            self.answered(Event(type="ack", id=decode_event(response.content).id, ref=ref), time.monotonic_ns())
        else:
            self.answered(Event(type="error", code=str(response.status_code), ref=ref), time.monotonic_ns())
