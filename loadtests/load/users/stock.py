"""Room users on stock libraries: what an ordinary client does, to prove conformance. They do not measure.

A greenlet per socket reads and stamps in Python, so their latencies hold the generator's own queue; there is no kernel
stamp, and `wire_bytes` counts what the library shows us.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import cache

import gevent
import httpx
import msgspec
import socketio
import websocket
from gevent.event import AsyncResult
from gevent.pool import Group
from httpx_sse import SSEError, connect_sse
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from loadtests.load.clients.base import (
    Arrival,
    Client,
    ClientError,
    Closed,
    ConnectFailed,
    Event,
    decode_answer,
    decode_event,
    read_answer,
)
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
        self.note_gaps(self.tracker.told_gaps)
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
            self.note_gaps(self.tracker.told_gaps)
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
        """Receive where this user listens; a user that only publishes has nothing to open."""
        if self.slot.listens:
            super().enter(timeout_s)

    def publish(self, content: str, ref: str) -> None:
        """POST in a greenlet of its own: the hub cannot wait."""
        self.greenlets.spawn(self._post, content, ref)

    def _post(self, content: str, ref: str) -> None:
        path = f"/rooms/{self.access.room}/messages"
        body = {"content": content, "ref": ref}
        response = self.client.post(path, json=body, headers=self.headers, name="POST /rooms/[room]/messages")
        # Status 0 is FastHttpUser's for no answer at all: what became of the message is unknown.
        if not response.status_code:
            self.cell.note(f"{self.label} publication not answered: no connection")
            return
        self.answered(read_answer(ref, response.status_code, response.content), time.monotonic_ns())


@cache
def _streams() -> httpx.Client:
    """One client for all users: each would load the system's certificates anew, 50 ms of the hub's time."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per stream is too much
    return httpx.Client(limits=httpx.Limits(max_connections=None))


class StockWebSocketUser(StockUser):
    """websocket-client."""

    label = "WS stock"
    lost_errors = (OSError, websocket.WebSocketException)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._socket: websocket.WebSocket | None = None

    def receive(self, timeout_s: float) -> Iterator[list[Arrival]]:
        """Connect, say hello and yield each message."""
        scheme = "wss" if self.access.endpoint.secure else "ws"
        url = f"{scheme}://{self.access.endpoint.authority}/rooms/{self.access.room}/ws"
        connection = self._socket = websocket.create_connection(url, timeout=timeout_s)
        try:
            connection.settimeout(None)
            hello = {"type": "hello", "token": self.access.token}
            connection.send(msgspec.json.encode(hello | ({"since": self.position} if self.position else {})).decode())
            while True:
                opcode, data = connection.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.tracker.closed = Closed(int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace"))
                    return
                yield [(decode_event(data), len(data) + (2 if len(data) < 126 else 4))]
        finally:
            self._socket = None
            connection.shutdown()  # type: ignore[no-untyped-call]

    def publish(self, content: str, ref: str) -> None:
        """Send in a greenlet of its own: the hub cannot wait."""
        self.greenlets.spawn(self._send, {"type": "chat", "content": content, "ref": ref})

    def _send(self, command: dict[str, str]) -> None:
        if self._socket is not None:
            self._socket.send(msgspec.json.encode(command).decode())


class StockSocketIoUser(StockUser):
    """python-socketio's own client."""

    label = "SIO stock"
    lost_errors = (OSError, socketio.exceptions.SocketIOError)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._client: socketio.SimpleClient | None = None

    def receive(self, timeout_s: float) -> Iterator[list[Arrival]]:
        """Connect with the token as `auth` and yield each event."""
        client = socketio.SimpleClient(reconnection=False, handle_sigint=False)
        auth = {"token": self.access.token, "room": self.access.room}
        auth |= {"since": self.position} if self.position else {}
        client.connect(self.access.endpoint.url, auth=auth, transports=["websocket"], wait_timeout=timeout_s)
        self._client = client
        try:
            while True:
                _, event = client.receive()
                data = msgspec.json.encode(event)
                yield [(decode_event(data), len(data))]
        finally:
            self._client = None
            client.disconnect()

    def publish(self, content: str, ref: str) -> None:
        """Emit in a greenlet of its own: the hub cannot wait."""
        self.greenlets.spawn(self._emit, {"content": content, "ref": ref})

    def _emit(self, command: dict[str, str]) -> None:
        if self._client is not None:
            self._client.client.emit("chat", command, callback=self._answered)

    def _answered(self, answer: dict[str, str]) -> None:
        self.answered(msgspec.convert(answer, Event), time.monotonic_ns())


class StockSseUser(StockPostingUser):
    """httpx and httpx-sse down, FastHttpUser up."""

    label = "SSE stock"
    lost_errors = (httpx.HTTPError, SSEError)

    def receive(self, timeout_s: float) -> Iterator[list[Arrival]]:
        """Open the stream and yield each event."""
        url = f"{self.access.endpoint.url}/rooms/{self.access.room}/events"
        headers = self.headers | ({"Last-Event-ID": self.position} if self.position else {})
        timeout = httpx.Timeout(timeout_s, read=None)
        with connect_sse(_streams(), "GET", url, headers=headers, timeout=timeout) as source:
            if source.response.status_code != 200:
                self.tracker.closed = Closed(source.response.status_code, "stream refused")
                raise ConnectFailed(str(self.tracker.closed), retryable=self.tracker.closed.retryable)
            for sent in source.iter_sse():
                # An event that carries only `id` or `retry` has no data, and is none for us.
                if sent.data:
                    data = sent.data.encode()
                    yield [(decode_event(data), len(data))]


class StockLongPollUser(StockPostingUser):
    """FastHttpUser: a held GET after the other."""

    label = "LP stock"

    def receive(self, timeout_s: float) -> Iterator[list[Arrival]]:
        """Poll and yield each answer's events."""
        wait_s = 0.0
        while True:
            since = f"since={self.tracker.position}&" if self.tracker.position else ""
            path = f"/rooms/{self.access.room}/poll?{since}wait={wait_s:g}"
            response = self.client.get(path, headers=self.headers, name="GET /rooms/[room]/poll")
            if response.status_code != 200:
                self.tracker.closed = Closed(response.status_code, "poll refused")
                return
            answer = decode_answer(response.content)
            size = len(response.content) // max(1, len(answer.events))
            yield [(event, size) for event in answer.events]
            self.tracker.position = answer.position
            wait_s = self.next_wait_s()

    def next_wait_s(self) -> float:
        """How long the next poll may be held."""
        return self.cell.spec.load.poll_wait_s


class StockShortPollUser(StockLongPollUser):
    """FastHttpUser: a GET that never waits, every `poll_interval_s`."""

    label = "SP stock"

    def straggle_s(self) -> float:
        """One interval of the grid, and some of the next for the answer."""
        return 1.25 * self.cell.spec.load.poll_interval_s

    def next_wait_s(self) -> float:
        """Sleep until the grid's next instant; the poll itself is never held."""
        interval_s = self.cell.spec.load.poll_interval_s
        gevent.sleep(interval_s - time.monotonic() % interval_s)
        return 0.0
