"""An app behind a listening socket in this process, whose inner state can be looked at, and raw connections to it."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import uvicorn
from uvicorn.server import ServerState

from core.model import Position
from core.settings import Settings
from tests.transports.access import SECRET, token
from tests.transports.wire_end import DIRECT
from transports import app as app_module
from transports.app import create_app
from transports.base import EDGES
from transports.longpoll import frame

WAITS_S = 5.0
PATH = "/rooms/lobby/poll"

Run = Callable[[Coroutine[Any, Any, None]], None]


@dataclass(frozen=True)
class Answer:
    """Its `events` are a poll's."""

    status: int
    head: str
    body: dict[str, Any]
    events: list[dict[str, Any]]
    position: str

    @property
    def said(self) -> list[str]:
        return [event["content"] for event in self.events if event["type"] == "chat"]


@dataclass
class Client:
    """One connection, raw."""

    port: int
    server: Server
    position: str = ""
    reader: asyncio.StreamReader = field(init=False)
    writer: asyncio.StreamWriter = field(init=False)

    async def connect(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    def poll(self, query: str = "wait=25&since={}", *fields: str, user: str = "alice") -> bytes:
        """A request for what came after where this client is."""
        lines = [
            f"GET {PATH}?{query.format(self.position)} HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {token(user)}",
        ]
        return "\r\n".join([*lines, *fields, "", ""]).encode()

    def post(self, content: str, *fields: str, user: str = "alice") -> bytes:
        """A message."""
        body = msgspec.json.encode({"content": content})
        line, length = "POST /rooms/lobby/messages HTTP/1.1", f"Content-Length: {len(body)}"
        head = [line, "Host: x", f"Authorization: Bearer {token(user)}", length, *fields, "", ""]
        return "\r\n".join(head).encode() + body

    async def ask(self, data: bytes) -> Answer:
        self.writer.write(data)
        return await self.answer()

    async def answer(self) -> Answer:
        async with asyncio.timeout(WAITS_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            size = re.search(r"content-length: ([0-9]+)\r\n", head)
            assert size is not None, head
            body = msgspec.json.decode(await self.reader.readexactly(int(size[1])))
        self.position = body.get("position", self.position)
        return Answer(int(head.split()[1]), head, body, body.get("events", []), self.position)

    async def begin(self) -> None:
        """Come to wait by the short way: where to begin, and a poll that is held."""
        await self.ask(self.poll("wait=25"))
        await self.wait(self.poll())

    async def wait(self, data: bytes) -> None:
        """Send a poll that is held."""
        before = self.server.held
        self.writer.write(data)
        await until(lambda: self.server.held > before)

    def go(self, how: str) -> None:
        """Leave: `half` closes this side only, `abort` resets the connection."""
        if how == "half":
            self.writer.write_eof()
        elif how == "abort":
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7))
            self.writer.transport.abort()
        else:
            self.writer.close()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@dataclass
class Server:
    """The app behind a listening socket, and its inner state."""

    app: Any
    state: ServerState
    port: int
    hub: Any
    clients: list[Client] = field(default_factory=list)

    async def client(self) -> Client:
        made = Client(self.port, self)
        await made.connect()
        self.clients.append(made)
        return made

    async def messages(self, room: str = "lobby") -> list[str]:
        """All that was published in a room, oldest first."""
        head, _ = await self.hub.members(room)
        history = await self.hub.backplane.history(room, Position(head.epoch, 0))
        events = [msgspec.json.decode(event.body) for event in history]
        return [event["content"] for event in events if event["type"] == "chat"]

    async def say(self, content: str) -> None:
        """By somebody who does not listen."""
        await self.hub.post(self.hub.admit(token("bob"), "lobby"), "lobby", msgspec.json.encode({"content": content}))

    @property
    def held(self) -> int:
        held: int = self.hub.stats.connections["longpoll"]
        return held

    @property
    def protocols(self) -> list[Any]:
        """uvicorn's, of the connections there are."""
        return list(self.state.connections)

    @property
    def armed(self) -> list[bool]:
        """Of each connection: whether its next request may take the short way."""
        return [each.transport.get_protocol() is not each for each in self.protocols]

    def read_together(self) -> int:
        """How many are read together."""
        (held,) = {each.holder._held for each in self.protocols if each.holder is not None}
        return len(held.reader)


@asynccontextmanager
async def serving(
    name: str = "longpoll",
    tls: ssl.SSLContext | None = None,
    before: Callable[[Any], Any] = lambda app: app,
    access_log: bool = False,
    **settings: Any,
) -> AsyncIterator[Server]:
    """`tls` stands before the app as uvicorn would have it there; `before` makes what uvicorn is given of the app."""
    made: list[Any] = []
    hub = app_module._hub

    def kept(*arguments: Any) -> Any:
        made.append(hub(*arguments))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "_hub", kept)
        app = create_app(name, Settings(secret=SECRET, **{"rate_per_s": 0.0, **settings}))
    served = before(app)
    http, ws = EDGES if settings.get("fanout") == "portable" else DIRECT
    # As it is hosted: see `hosting.adopt`.
    config = uvicorn.Config(
        served,
        log_config=None,
        http=http,
        ws=ws,
        ws_per_message_deflate=False,
        proxy_headers=False,
        access_log=access_log,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    async with app.router.lifespan_context(app):
        listening = await loop.create_server(lambda: http(config, state, {}, loop), "127.0.0.1", 0, ssl=tls)
        server = Server(app, state, listening.sockets[0].getsockname()[1], made[0])
        alice = server.hub.admit(token(), "lobby")
        await server.hub.detach(await server.hub.attach(alice, "lobby", "longpoll", frame, poller=True))  # is a member
        try:
            yield server
        finally:
            for client in server.clients:
                client.writer.transport.abort()
            listening.close()
            await until(lambda: not state.connections)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(5000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it does not come to be")


async def publisher(server: Server) -> Client:
    """One whose next POST may take the short way."""
    client = await server.client()
    assert (await client.ask(client.post("first"))).status == 202
    await until(lambda: server.armed == [True])
    return client


async def poller(server: Server) -> Client:
    """One who knows where to begin: its next poll is its connection's second."""
    client = await server.client()
    assert (await client.ask(client.poll("wait=25"))).status == 200
    return client


async def check_last(server: Server, client: Client) -> None:
    """The poll that waits is answered, says that it is the last, and the connection ends."""
    await server.say("1")
    answer = await client.answer()
    assert answer.said == ["1"]
    assert "\r\nconnection: close\r\n" in answer.head
    assert await client.reader.read() == b""


class Attached:
    """Counts what the app itself has answered: it attaches a subscriber for each."""

    def __init__(self, server: Server) -> None:
        self.count = 0
        attach = server.hub.attach

        def counted(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            return attach(*arguments, **named)

        server.hub.attach = counted


async def go_behind_another_request(client: Client) -> None:
    """Close the only connection once a request waits there behind a held poll, and see the server note it."""
    server = client.server
    client.writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    (protocol,) = server.protocols
    await until(lambda: len(protocol.pipeline) == 1)
    client.writer.close()
    await until(lambda: server.held == 0 and not server.state.connections)


async def begun(server: Server) -> Client:
    """A client of the portable sink whose next poll is held by the short way."""
    client = await server.client()
    await client.ask(client.poll("wait=25"))
    attached = Attached(server)
    await client.wait(client.poll())
    assert (attached.count, len(server.state.tasks)) == (0, 0)
    return client
